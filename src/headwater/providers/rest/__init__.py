"""Any REST API from one checked document, YAML or JSON: no code, and no language beyond dotted paths.

Belongs here: what a document may say, reading it with its mistakes, making a provider of it, trying it out
(`probe`). Does not: how lists are read (`fetch`, `paging`), where documents are kept (`management`).
"""

from headwater.providers.rest.build import provider
from headwater.providers.rest.document import RestDocument, json_schema
from headwater.providers.rest.findings import Findings, ProbeReport
from headwater.providers.rest.parse import parse
from headwater.providers.rest.probe import probe

__all__ = ["Findings", "ProbeReport", "RestDocument", "json_schema", "parse", "probe", "provider"]
