"""The forecaster as sktime knows forecasters, for its pipelines, splitters and benchmarks.

Needs sktime, which is no dependency of this package: ``pip install sktime``.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

from statistics import NormalDist
from typing import Any, ClassVar, Literal

import numpy as np

from cellstate.data.columns import Columns
from cellstate.extras import require
from cellstate.tasks.forecast.forecaster import Forecaster
from cellstate.train.config import TrainConfig

require("sktime", extra="sktime")
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon  # noqa: E402, TID253

Decoder = Literal["direct", "recursive"]
Size = Literal["small", "medium", "large"]
Distribution = Literal["student_t", "negative_binomial", "quantiles"]

ID, TIME, TARGET = "unique_id", "ds", "y"


class SktimeForecaster(BaseForecaster):
    """An LSTM over segments of the past, as an sktime forecaster.

    Panels and hierarchies are learned by one network that all series share. `update` moves the
    network's memory by the new observations and does not train again, whatever `update_params`
    says: refit for that.

    Parameters
    ----------
    context : int, optional
        Periods that the network reads; see `Forecaster`, as for the parameters below.
    decoder : {"direct", "recursive"}
        Whether the network answers for the whole horizon at once or step by step.
    size : {"small", "medium", "large"}
        Width and depth of the network.
    distribution : {"student_t", "negative_binomial", "quantiles"}
        What the recursive network draws from.
    levels : tuple of float
        Prediction intervals that the network learns, in per cent. Other quantiles lie between
        those learned as they would in a normal distribution.
    random_state : int, optional
        Seed; equal seeds give equal models.
    train : TrainConfig, optional
        Settings of the training loop.

    Examples
    --------
    >>> import pandas
    >>> from cellstate.tasks.forecast.sktime_adapter import SktimeForecaster
    >>> y = pandas.Series([3.0, 4.0, 5.0, 4.0, 3.0, 1.0, 1.0] * 12)
    >>> forecaster = SktimeForecaster(context=14).fit(y, fh=[1, 2, 3])
    >>> forecaster.predict().index.tolist()
    [84, 85, 86]
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "cellstate developers",
        "maintainers": "cellstate developers",
        "python_dependencies": ["torch"],
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "capability:multivariate": False,
        "capability:exogenous": True,
        "capability:non_contiguous_X": False,
        "capability:categorical_in_X": False,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": True,
        "capability:update": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "requires-fh-in-fit": True,
        "X-y-must-have-same-index": False,
    }
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}  # the memory holds what is needed

    def __init__(
        self,
        context: int | None = None,
        decoder: Decoder = "direct",
        size: Size = "small",
        distribution: Distribution = "student_t",
        levels: tuple[float, ...] = (50, 80, 90, 95),
        random_state: int | None = None,
        train: TrainConfig | None = None,
    ) -> None:
        self.context = context
        self.decoder: Decoder = decoder
        self.size: Size = size
        self.distribution: Distribution = distribution
        self.levels = levels
        self.random_state = random_state
        self.train = train
        super().__init__()
        self._y = self._X = None  # where a user turns `remember_data` on later

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Give settings for sktime's tests, which fit hundreds of times."""
        brief = TrainConfig(epochs=1, sanity=False)
        return [
            {"context": 6, "train": brief},
            {"decoder": "recursive", "levels": (80,), "random_state": 1, "train": brief},
        ]

    def _fit(self, y: Any, X: Any, fh: ForecastingHorizon) -> SktimeForecaster:
        self._covariates = [] if X is None else list(X.columns)
        self._keys = list(dict.fromkeys(_keys(y.index)))
        self._level_names = list(y.index.names)
        self._last = dict(zip(_keys(y.index), _times(y.index), strict=True))
        self.forecaster_ = Forecaster(
            int(max(fh.to_relative(self.cutoff))),
            decoder=self.decoder,
            context=self.context,
            size=self.size,
            distribution=self.distribution,
            levels=tuple(self.levels),
            columns=Columns(future=tuple(map(_name, range(len(self._covariates))))),
            random_state=self.random_state,
            train=self.train,
        ).fit(self._long(y.index, y, X))
        return self

    def _update(self, y: Any, X: Any = None, update_params: bool = True) -> SktimeForecaster:
        last = self._last
        rows = zip(_keys(y.index), _times(y.index), strict=True)
        new = y[[key not in last or time > last[key] for key, time in rows]]
        if len(new):
            keys = list(_keys(new.index))
            self._keys = list(dict.fromkeys([*self._keys, *keys]))
            self._last = last | dict(zip(keys, _times(new.index), strict=True))
            self.forecaster_.update(self._long(new.index, new, X))
        return self

    def _predict(self, fh: ForecastingHorizon, X: Any = None) -> Any:
        return self._answer(fh, X, [0.5], self._get_varnames())

    def _predict_quantiles(self, fh: ForecastingHorizon, X: Any, alpha: list[float]) -> Any:
        import pandas as pd

        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        return self._answer(fh, X, alpha, columns)

    def _answer(self, fh: ForecastingHorizon, X: Any, alpha: list[float], columns: Any) -> Any:
        """Give the quantiles at the steps of `fh` as sktime's frame: a row a series and step."""
        import pandas as pd

        future = None if not self._covariates or X is None else self._long(X.index, None, X)
        frame = self.forecaster_.predict(future=future)
        learned = {0.5: frame["LSTM"]}
        for level in self.levels:
            learned[0.5 - level / 200] = frame[f"LSTM-lo-{level:g}"]
            learned[0.5 + level / 200] = frame[f"LSTM-hi-{level:g}"]
        taus = sorted(learned)
        steps = np.asarray(fh.to_relative(self.cutoff)).astype(int) - 1
        horizon = len(frame) // len(self._keys)
        rows = (horizon * np.arange(len(self._keys))[:, None] + steps).ravel()
        values = between(np.stack([learned[tau] for tau in taus], axis=1)[rows], taus, alpha)
        if self._keys == [()]:
            index = fh.to_absolute_index(self.cutoff)
        else:
            times = self._as_given(frame[TIME].iloc[rows])
            keys = [key for key in self._keys for _ in steps]
            entries = [(*key, time) for key, time in zip(keys, times, strict=True)]
            index = pd.MultiIndex.from_tuples(entries, names=self._level_names)
        return pd.DataFrame(values, index=index, columns=columns)

    def _as_given(self, times: Any) -> Any:
        """Turn time stamps into periods where the training data had periods."""
        first = next(iter(self._last.values()))
        return times.dt.to_period(first.freq) if hasattr(first, "to_timestamp") else times

    def _long(self, index: Any, y: Any, X: Any) -> Any:
        """Write sktime's frames as one long frame: id, time, target and covariates."""
        import pandas as pd

        times = _times(index)
        columns: dict[str, Any] = {
            TIME: times.to_timestamp() if hasattr(times, "to_timestamp") else times
        }
        if self._keys != [()]:
            numbers = {key: number for number, key in enumerate(self._keys)}
            columns[ID] = [numbers[key] for key in _keys(index)]
        if y is not None:
            columns[TARGET] = y.iloc[:, 0].to_numpy(dtype=np.float64)
        if self._covariates:
            matched = X.reindex(index)
            for number, name in enumerate(self._covariates):
                columns[_name(number)] = matched[name].to_numpy(dtype=np.float64)
        return pd.DataFrame(columns)


def between(values: np.ndarray, taus: list[float], wanted: list[float]) -> np.ndarray:
    """Read quantiles between and beyond known ones, along those of a normal distribution.

    Parameters
    ----------
    values : np.ndarray
        (n, Q) known quantiles.
    taus : list of float
        Their Q levels in (0, 1), ascending, at least two.
    wanted : list of float
        Levels to read.

    Returns
    -------
    np.ndarray
        (n, len(wanted))

    Examples
    --------
    >>> between(np.array([[-1.0, 0.0, 1.0]]), [0.1, 0.5, 0.9], [0.5, 0.9]).tolist()
    [[0.0, 1.0]]
    >>> round(between(np.array([[-1.0, 0.0, 1.0]]), [0.1, 0.5, 0.9], [0.99]).item(), 3)
    1.815
    """
    normal = NormalDist()
    known = np.array([normal.inv_cdf(tau) for tau in taus])
    at = np.array([normal.inv_cdf(tau) for tau in wanted])
    right = np.clip(np.searchsorted(known, at), 1, len(known) - 1)
    share = (at - known[right - 1]) / (known[right] - known[right - 1])
    return values[:, right - 1] + share * (values[:, right] - values[:, right - 1])


def _keys(index: Any) -> Any:
    """Give the series of each row, as a tuple of its levels: () for a single series."""
    return iter([()] * len(index)) if index.nlevels == 1 else (tuple(row[:-1]) for row in index)


def _times(index: Any) -> Any:
    return index if index.nlevels == 1 else index.get_level_values(-1)


def _name(number: int) -> str:
    """Name a covariate without regard to what sktime's user calls it."""
    return f"x{number}"
