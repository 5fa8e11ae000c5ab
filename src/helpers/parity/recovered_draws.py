"""Which draws explain the pixels that a feed delivered? The inverse of `transforms`, for parity.

Each function takes the delivered images, float32 (n, height, width, channels), and the source images that
they were made from, uint8 of the source's shape, and returns the draws, arrays with first axis n, whose
NumPy transform comes closest.
"""

import numpy as np

from helpers.tasks import transforms

WARP = ("shear", "zx", "zy", "flip")  # what shear_zoom_flip draws


def _noise(delivered, sources):
    return {"noise": delivered - sources.astype(np.float32) * transforms.SCALE}


def _brightness(delivered, sources):
    return {"delta": np.median(_noise(delivered, sources)["noise"], axis=(1, 2, 3), keepdims=True)}


def _flip_brightness(delivered, sources):
    straight = _brightness(delivered, sources)["delta"]
    mirrored = _brightness(delivered, sources[:, :, ::-1])["delta"]
    transform = transforms.get("flip_brightness")

    def error(flip, delta):
        draws = {"flip": np.full(delta.shape, flip), "delta": delta}
        return np.abs(transform.apply_numpy(sources, draws) - delivered).mean((1, 2, 3))

    flip = (error(True, mirrored) < error(False, straight))[:, None, None, None]
    return {"flip": flip, "delta": np.where(flip, mirrored, straight)}


def _shear_zoom_flip(delivered, sources):
    fitted = [_fit_warp(image, source) for image, source in zip(delivered, sources, strict=True)]
    return {name: np.array([fit[name] for fit in fitted]).reshape(-1, 1, 1, 1) for name in WARP}


def _fit_warp(image, source):
    """Fits shear and zoom of one image: a coarse grid for each flip, then least squares from the best points."""
    from scipy.optimize import least_squares

    transform = transforms.get("shear_zoom_flip")

    def warp(*point):
        draws = {name: np.reshape(drawn, (-1, 1, 1, 1)) for name, drawn in zip(WARP, point, strict=True)}
        copies = np.broadcast_to(source, (draws["zx"].size, *source.shape))
        return transform.apply_numpy(copies, draws)

    side = np.linspace(1 - transforms.ZOOM, 1 + transforms.ZOOM, 7)
    zx, zy, flip = (axis.ravel() for axis in np.meshgrid(side, side, [False, True]))
    errors = np.square(warp(np.zeros_like(zx), zx, zy, flip) - image).mean((1, 2, 3))
    fits = []
    for start in np.argsort(errors)[:STARTS]:

        def residual(point, flipped=flip[start]):
            return (warp(*point, flipped)[0] - image).ravel()

        fit = least_squares(residual, (0.0, zx[start], zy[start]), diff_step=1e-3, x_scale=(0.2, 0.1, 0.1), xtol=1e-6)
        fit = least_squares(residual, fit.x, diff_step=1e-6, x_scale=(0.2, 0.1, 0.1))
        fits.append((fit, flip[start]))
        if np.abs(fit.fun).max() < EXPLAINED:
            break
    fit, flipped = min(fits, key=lambda fitted: fitted[0].cost)
    return dict(zip(WARP, (*fit.x, flipped), strict=True))


_RECOVER = {
    "noise": _noise,
    "brightness": _brightness,
    "flip_brightness": _flip_brightness,
    "shear_zoom_flip": _shear_zoom_flip,
}

STARTS = 3  # points of the grid to fit from
EXPLAINED = 5e-3  # largest difference of a pixel, 0 to 1, of a fit that need not be tried again

# Fitting costs about a hundred warps per image, the others almost nothing.
SAMPLE = {"shear_zoom_flip": 24}


def draws(transform: transforms.Transform, delivered: np.ndarray, sources: np.ndarray) -> dict:
    """Returns the draws that best explain the delivered images; {} for a transform that draws nothing."""
    return _RECOVER[transform.name](delivered, sources) if transform.random else {}
