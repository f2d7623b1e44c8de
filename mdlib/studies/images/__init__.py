"""The paper's experiments on images: the runs, the studies, the pictures."""

from mdlib.studies.images.inspection import ImageRun, recorded
from mdlib.studies.images.pictures import Pictures
from mdlib.studies.images.run import VisionRun, build_model
from mdlib.studies.images.studies import STUDIES

__all__ = ["STUDIES", "ImageRun", "Pictures", "VisionRun", "build_model", "recorded"]
