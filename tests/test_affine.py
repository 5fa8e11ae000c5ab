import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import affine
from helpers.errors import StudyError

drawn = st.fixed_dictionaries(
    {
        "theta": st.floats(-170, 170),
        "tx": st.floats(-12, 12),
        "ty": st.floats(-12, 12),
        "shear": st.floats(-40, 40),
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
@given(draws=drawn, fill_mode=st.sampled_from(affine.FILL_MODES), order=st.sampled_from([0, 1]), tall=st.booleans())
def test_both_warps_give_the_originals_pixels(draws, fill_mode, order, tall):
    shape = (17, 11, 2) if tall else (12, 12, 3)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    expected = original(image, draws, fill_mode, 7.0, order)
    found = affine.coefficients(height=shape[0], width=shape[1], **draws)
    options = {"fill_mode": fill_mode, "cval": 7.0, "order": order}
    np.testing.assert_allclose(affine.warp_numpy(image[None], found, **options)[0], expected, rtol=0, atol=1e-3)
    warped = affine.warp_tf(tf.constant(image[None]), tf.constant(found), **options)[0].numpy()
    close = np.abs(warped - expected) <= 1e-3
    # A coordinate at rounding noise from a border or a half may fall on the other side: a pixel at most.
    assert close.mean() > 0.99


def test_numpy_and_tensorflow_coefficients_agree():
    draws = {"theta": np.array([10.0, -30]), "tx": np.array([1.0, 2]), "zx": np.array([0.9, 1.1])}
    in_numpy = affine.coefficients(height=9, width=7, **draws)
    in_tf = affine.coefficients(height=9, width=7, **{name: tf.constant(value) for name, value in draws.items()})
    np.testing.assert_allclose(in_tf, in_numpy, rtol=0, atol=1e-12)


def test_flips_folded_into_the_index_are_flips_of_the_result():
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8))
    found = tf.constant(affine.coefficients(height=6, width=5, theta=np.array([20.0, 40.0])))
    plain = affine.warp_tf(images, found)
    flipped = affine.warp_tf(
        images, found, flip_horizontal=tf.constant([True, False]), flip_vertical=tf.constant([False, True])
    )
    np.testing.assert_array_equal(flipped[0], plain[0, :, ::-1])
    np.testing.assert_array_equal(flipped[1], plain[1, ::-1])


def test_what_cannot_be_is_refused():
    images, found = tf.zeros((1, 4, 4, 1)), tf.constant(affine.coefficients(height=4, width=4))
    with pytest.raises(StudyError, match="fill_mode must be one of"):
        affine.warp_tf(images, found, fill_mode="mirror")
    with pytest.raises(StudyError, match="order must be 0 or 1"):
        affine.warp_tf(images, found, order=3)
