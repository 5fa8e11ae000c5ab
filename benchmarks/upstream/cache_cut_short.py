"""A cache in memory that was read in part takes itself for complete, and delivers fewer elements from then on.

A `prefetch` stands before the cache, a parallel map behind it, and somebody stops after one element: the iterator is
cancelled while the map reads ahead, the prefetch then says that its input has ended, and the cache believes it. There
is no error and no warning. Without the prefetch the cache is discarded, as its warning promises.
Threads: we found none on elements that are lost (searched for cache, truncated, partially read, prefetch); on the
warning: https://github.com/tensorflow/tensorflow/issues/122752, https://github.com/tensorflow/tensorflow/issues/45609
"""

import tensorflow as tf


def delivered(source):
    data = source.cache().batch(32).map(lambda batch: batch + 1, num_parallel_calls=tf.data.AUTOTUNE)
    for _ in data:
        break  # as anybody does who looks at one batch first
    return [sum(len(batch) for batch in data) for _ in range(3)]


numbers = tf.data.Dataset.range(640)
print("without prefetch: expected: [640, 640, 640]; got:", delivered(numbers))
fewest = min(delivered(numbers.prefetch(4)) for _ in range(10))
print("with prefetch:    expected: [640, 640, 640]; got, in the worst of 10 tries:", fewest)
