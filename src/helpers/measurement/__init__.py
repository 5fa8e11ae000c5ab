"""One point of the study: build the pipelines of a task, prove them alike, compare them, give the table's rows."""

from helpers.measurement.point import Measurement as Measurement, measure as measure
from helpers.measurement.row import SCHEMA_VERSION as SCHEMA_VERSION, SMALLEST as SMALLEST, Row as Row
