import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st

from helpers.errors import StudyError
from helpers.tasks import transforms


def images_of(seed, count=5, shape=(32, 32, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("name", transforms.NAMES)
@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1)])
def test_numpy_and_tensorflow_give_the_same_pixels_for_the_same_draws(name, shape):
    transform = transforms.get(name)
    images = images_of(1, shape=shape)
    draws = transform.draw_numpy(np.random.default_rng(2), len(images), shape)
    expected = transform.apply_numpy(images, draws)
    found = transform.apply_tf(tf.constant(images), {key: tf.constant(value) for key, value in draws.items()}).numpy()
    assert found.dtype == expected.dtype == np.float32
    assert found.shape == expected.shape == (len(images), *transform.output_shape(shape))
    np.testing.assert_allclose(found, expected, rtol=0, atol=transform.tolerance)


@pytest.mark.parametrize("name", transforms.NAMES)
def test_one_image_and_a_batch_of_one_are_transformed_alike(name):
    transform = transforms.get(name)
    images = tf.constant(images_of(3, count=1))
    batch_draws = transform.draw_tf(tf.constant([5, 6], tf.int64), (1,), (32, 32, 3))
    one_draws = transform.draw_tf(tf.constant([5, 6], tf.int64), (), (32, 32, 3))
    batch = transform.apply_tf(images, batch_draws)[0]
    np.testing.assert_allclose(transform.apply_tf(images[0], one_draws), batch, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", transforms.NAMES)
def test_both_sides_draw_from_the_stated_distributions(name):
    from scipy import stats

    transform = transforms.get(name)
    count = 2000
    numpy_draws = transform.draw_numpy(np.random.default_rng(0), count, (1, 1, 1))
    tf_draws = transform.draw_tf(tf.constant([1, 2], tf.int64), (count,), (1, 1, 1))
    for key, (family, parameters) in transform.distributions.items():
        for draws in (np.ravel(numpy_draws[key]), np.ravel(tf_draws[key])):
            if family == "bernoulli":
                assert stats.binomtest(int(draws.sum()), count, parameters[0]).pvalue > 1e-6
            else:
                assert stats.kstest(draws.astype(float), family, parameters).pvalue > 1e-6


@settings(max_examples=25, deadline=None)
@given(length=st.integers(2, 40), target=st.integers(1, 80))
def test_an_axis_is_resized_as_tensorflow_does(length, target):
    values = np.random.default_rng(length).random((1, length, 1, 1), np.float32)
    expected = tf.image.resize(values, (target, 1)).numpy()[0, :, 0, 0]
    np.testing.assert_allclose(transforms.resize_axis(values[0, :, 0, 0], 0, target), expected, atol=1e-5)


def test_an_unknown_transform_is_named_with_what_there_is():
    with pytest.raises(StudyError, match="one of rescale"):
        transforms.get("blur")
