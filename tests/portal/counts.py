"""The portal's /metrics as Prometheus' own parser reads them."""
from portal_bench import cannot_run

try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    cannot_run("missing: python3-prometheus-client")


def counts(portal):
    """{(name, ((label, value), …)): number}"""
    status, text = portal.operations("/metrics")
    if status != 200:
        raise AssertionError(f"/metrics: {status} {text}")
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def count(portal, name, **labels):
    return counts(portal).get((f"signet_portal_{name}", tuple(sorted(labels.items()))), 0)
