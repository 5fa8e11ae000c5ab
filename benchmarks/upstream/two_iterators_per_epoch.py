"""Keras makes two iterators for every epoch of a tf.data.Dataset whose length it knows; one per epoch would do.

`EpochIterator._enumerate_iterator` makes one when an epoch begins, and another one when it ends, which is thrown away
where `steps_per_epoch` was not given. Making an iterator runs the whole start of a pipeline, so short epochs pay twice.
Threads: we found none (searched for EpochIterator, two iterators, iterator made twice); the behaviour of
`steps_per_epoch` that the second iterator serves: https://github.com/keras-team/keras/issues/19037
"""

from unittest import mock

import keras
import numpy as np
import tensorflow as tf

EPOCHS, made, make = 5, [], tf.data.Dataset.__iter__
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
data = tf.data.Dataset.from_tensor_slices((np.zeros((8, 1)), np.zeros((8, 1)))).batch(1)
with mock.patch.object(tf.data.Dataset, "__iter__", lambda self: made.append(self) or make(self)):
    model.fit(data, epochs=EPOCHS, verbose=0)
print(f"expected: {EPOCHS} iterators for {EPOCHS} epochs")
print(f"got:      {len(made)}")
