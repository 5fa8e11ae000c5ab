"""The training subset of `ImageDataGenerator.flow` gets the sample weights of the validation subset's rows.

`NumpyArrayIterator` cuts `x` and `y` to the subset and leaves `sample_weight` whole, so that row 0 of the training
subset gets the weight of row 0 of all data. Nothing is raised.
Threads: we found none (searched for flow, subset, sample_weight, validation_split); the weights came with
https://github.com/keras-team/keras/pull/10092
"""

import numpy as np
from tensorflow.keras.preprocessing.image import ImageDataGenerator

rows = np.arange(10)
flow = ImageDataGenerator(validation_split=0.3).flow(
    np.zeros((10, 4, 4, 1)), rows, sample_weight=rows, subset="training", ignore_class_split=True, shuffle=False
)
_, labels, weights = next(flow)
print("labels of the training subset:", labels.tolist())
print("its weights, which are the labels: expected:", labels.tolist(), "got:", weights.tolist())
