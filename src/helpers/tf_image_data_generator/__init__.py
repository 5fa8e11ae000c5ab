"""ImageDataGenerator in tf.data: the same arguments, the same pixels."""

from helpers.tf_image_data_generator.generator import MODES, TFImageDataGenerator

__all__ = [
    "MODES",
    "TFImageDataGenerator",
]
