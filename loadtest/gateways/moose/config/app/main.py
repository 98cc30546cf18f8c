"""One model, the event of the load tests, with an ingest endpoint and a topic."""

from datetime import datetime
from enum import StrEnum
from typing import Optional
from uuid import UUID

from moose_lib import IngestPipeline, IngestPipelineConfig, Key
from pydantic import BaseModel


class Kind(StrEnum):
    VIEW = "view"
    CLICK = "click"


class Geo(BaseModel):
    lat: float
    lon: float
    city: str
    country: str


class Event(BaseModel):
    eventId: Key[UUID]
    timestamp: datetime
    userId: str
    kind: Kind
    url: str
    durationMs: Optional[int] = None
    mobile: bool
    tags: list[str]
    geo: Geo


events = IngestPipeline[Event](
    "Event", IngestPipelineConfig(ingest=True, stream=True, table=False, dead_letter_queue=False, version="1.0")
)
