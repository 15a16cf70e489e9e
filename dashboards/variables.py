# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""What can be chosen at the top of a dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import DATASOURCE
from dashboards.terms import HOST, RUNBOOKS

Variable = (
    dashboard.QueryVariable | dashboard.CustomVariable | dashboard.DatasourceVariable | dashboard.ConstantVariable
)


def _one(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(False)
    )


def _several(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        _one(name, label, query)
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


_INSTANCES = 'label_values(bulkhead_build_info{job=~"$job"}, instance)'
_NAMES = f"label_values(bulkhead_container_state{{{HOST}}}, container)"

DATA_SOURCE = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
# All jobs are those that serve Bulkhead, spelt out: `up` and scrape durations are of every job.
JOB = _several("job", "Job", "label_values(bulkhead_build_info, job)")
HOSTS = _several("instance", "Host", _INSTANCES).all_value(".*")
ONE_HOST = _one("instance", "Host", _INSTANCES)
# All containers are one expression, not an address with the names of hundreds.
CONTAINERS = _several("container", "Container", _NAMES).all_value(".*")
ONE_CONTAINER = _one("container", "Container", _NAMES)
SEVERITY = (
    dashboard.CustomVariable("severity")
    .label("Severity")
    .values("critical,warning,info")
    .multi(True)
    .include_all(True)
    .current(model.VariableOption(selected=True, text="All", value="$__all"))
)
RUNBOOKS_AT = dashboard.ConstantVariable("runbooks").value(RUNBOOKS)
