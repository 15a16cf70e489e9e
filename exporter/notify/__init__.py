"""The agent's own alerts: from a kill in the kernel to every Alertmanager at once, without waiting for a scrape.

    Totals, Report --> Watch --> alerts that hold now --> Entry: one alert's way to each peer --> POST
                    watch.py           alert.py                   delivery.py                   post.py

Each alert has the name and the labels that alerts/rules/ give to the same trouble, so Alertmanager makes
one of both. Watch and entries are kept in the state directory (store.py), so neither a dead Alertmanager nor a dead
agent loses an alert; outbox.py is the one place where they change, notifier.py has it look,
couriers.py are the threads that send.
"""
