"""What a class needs: the lessons without their solutions, a cell for Colab, a folder for a room without network."""

from helpers.workshop.colab import COLAB as COLAB
from helpers.workshop.exercises import (
    MANIFEST as MANIFEST,
    STRICT as STRICT,
    Exercise as Exercise,
    exercises_of as exercises_of,
    expect as expect,
    learners_version as learners_version,
    lessons as lessons,
    write as write,
)
