"""Hardening checks: container/ and host/ hold one file for each check; judgements.py what several of them share."""
