import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings, strategies as st

from helpers.tf_image_data_generator import affine, affine_tf


def up_to(limit):
    """Numbers from -limit to limit, as they are drawn: 0, or not next to it (TensorFlow takes 1e-259 for 0)."""
    return st.floats(-limit, limit).map(lambda number: number if abs(number) > 1e-12 else 0.0)


drawn = st.fixed_dictionaries(
    {
        "theta": up_to(170),
        "tx": up_to(12),
        "ty": up_to(12),
        "shear": up_to(40),
        "zx": st.floats(0.5, 1.6),
        "zy": st.floats(0.5, 1.6),
    }
)


def original(image, draws, fill_mode, cval, order):
    from keras.src.legacy.preprocessing.image import apply_affine_transform

    return apply_affine_transform(
        image.astype("float32"),
        **draws,
        row_axis=0,
        col_axis=1,
        channel_axis=2,
        fill_mode=fill_mode,
        cval=cval,
        order=order,
    )


@settings(max_examples=40, deadline=None)
@example({"theta": 0.0, "tx": 0.0, "ty": 0.0, "shear": 1.5, "zx": 0.5, "zy": 0.8559093725089465}, "nearest", 0, True)
@given(draws=drawn, fill_mode=st.sampled_from(affine.FILL_MODES), order=st.sampled_from([0, 1]), tall=st.booleans())
def test_both_warps_give_the_originals_pixels(draws, fill_mode, order, tall):
    shape = (17, 11, 2) if tall else (12, 12, 3)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    expected = original(image, draws, fill_mode, 7.0, order)
    # On a half or a border, the last bit of a coefficient decides: they must come from the original's own products.
    found = np.array([affine.coefficients_as_original(shape[:2], **draws)])
    options = {"fill_mode": fill_mode, "cval": 7.0, "order": order}
    np.testing.assert_array_equal(affine.warp(image[None], found, **options)[0], expected)
    placed = affine_tf.terms(found.T, shape[:2])
    np.testing.assert_array_equal(affine_tf.warp(tf.constant(image[None]), placed, **options)[0].numpy(), expected)
    several_at_once = affine.coefficients(height=shape[0], width=shape[1], **draws)
    np.testing.assert_allclose(several_at_once, found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("fill_mode", affine.FILL_MODES)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_coordinates_on_a_border_but_for_rounding_fall_on_scipys_side(order, fill_mode, jit_compile):
    height, width = 9, 11
    image = np.random.default_rng(2).integers(0, 256, (height, width, 1), dtype=np.uint8)
    halves = np.arange(-5 * width, 5 * width, 0.5)
    least = np.maximum(np.spacing(np.abs(halves)), 1e-16)  # TensorFlow takes the float64 next to 0 for 0
    shifts = np.concatenate([halves, halves + least, halves - least])
    found = np.zeros((len(shifts), 6))
    found[:, 0], found[:, 4], found[:, 2], found[:, 5] = 1, 1, shifts, shifts[::-1]  # rows are shifted too
    options = {"fill_mode": fill_mode, "cval": 7.0, "order": order}
    images = np.repeat(image[None], len(shifts), axis=0)

    @tf.function(jit_compile=jit_compile)
    def warp(images, placed, one):
        return affine_tf.warp(images, placed, one=one if jit_compile else None, slack=0.0, **options)

    placed = affine_tf.terms(found.T, (height, width))
    dataset = tf.data.Dataset.from_tensor_slices((images, placed)).batch(len(images))
    (warped,) = dataset.map(lambda images, placed: warp(images, placed, tf.constant(1.0))).as_numpy_iterator()
    np.testing.assert_array_equal(warped, affine.warp(images, found, **options))


def test_numpy_and_tensorflow_coefficients_agree():
    draws = {"theta": np.array([10.0, -30]), "tx": np.array([1.0, 2]), "zx": np.array([0.9, 1.1])}
    in_numpy = affine.coefficients(height=9, width=7, **draws)
    in_tf = affine_tf.coefficients(height=9, width=7, **{name: tf.constant(value) for name, value in draws.items()})
    np.testing.assert_allclose(tf.stack(in_tf, axis=1), in_numpy, rtol=0, atol=1e-12)


def test_flips_folded_into_the_index_are_flips_of_the_result():
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8))
    six = affine_tf.coefficients(height=6, width=5, theta=np.array([20.0, 40.0]))
    flips = tf.constant([True, False]), tf.constant([False, True])
    plain, flipped = (affine_tf.warp(images, affine_tf.terms(six, (6, 5), which)) for which in ((None, None), flips))
    np.testing.assert_array_equal(flipped[0], plain[0, :, ::-1])
    np.testing.assert_array_equal(flipped[1], plain[1, ::-1])


def test_what_cannot_be_is_refused():
    images, found = tf.zeros((1, 4, 4, 1)), affine_tf.terms(affine.coefficients(height=4, width=4).T, (4, 4))
    with pytest.raises(ValueError, match="fill_mode must be one of"):
        affine_tf.warp(images, found, fill_mode="mirror")
    with pytest.raises(ValueError, match="order must be 0 or 1"):
        affine_tf.warp(images, found, order=3)
