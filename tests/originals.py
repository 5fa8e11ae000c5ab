"""The original that the port is held against."""


def original(**options):
    """Returns Keras' own ImageDataGenerator."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(**options)
