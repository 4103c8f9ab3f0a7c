"""M without training: a person's examples and preferences as a Bayesian classifier (ViPer §3.3).

A picture x is seen by its direction u(x) from a centre, and by how well that points along the
preferences, s(x); see `sight`. Then P(x is liked) = σ(f(x)), f(x) = b + w·u(x) + a s(x), with

    b ~ N(0, offset²)    w ~ N(0, spread² I)    a ~ N(trust, doubt²)

before any example is seen: without examples the preferences alone decide, without either it is one
half, and as examples come they outweigh both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.viper.proxy.posterior import Posterior, fit, moderated
from finexl.viper.proxy.rating import Rating
from finexl.viper.proxy.reference import Reference, built_in
from finexl.viper.proxy.sight import (
    Array,
    Pictures,
    Sight,
    Wanted,
    centre_of,
    rows_of,
    wanted_of,
)
from finexl.viper.taste import Preferences, Taste

MOST = 4_000
"""Examples: their covariances are held, n × n."""
NORMAL = 1.959964
"""95 % of the standard normal distribution lies within."""


@dataclass(frozen=True)
class Prior:
    """What is believed of people before anything is known of one.

    Chosen by `benchmarks/proxy.py tune`, on simulated people that nothing is scored on.
    """

    offset: float = 2.0
    """How much more some people like everything than others."""
    spread: float = 6.0
    """How strong tastes are."""
    trust: float = 3.0
    """How far preferences in words are believed."""
    doubt: float = 2.0
    """How much that differs between people."""
    believed: float = 0.1
    """The share of f's variance that is taken for real: tastes lie in few of the directions in
    which pictures differ, and a prior alike in all of them leaves more open than there is."""

    def mean(self, features: Array) -> Array:
        """Return the mean of f, (n,), of features (n, 1 + d)."""
        mean: Array = self.trust * features[:, 0]
        return mean

    def covariances(self, some: Array, others: Array) -> Array:
        """Return the covariances of f, (m, n), of features (m, 1 + d) and (n, 1 + d)."""
        return self.offset**2 + (some * self._variances(some)) @ others.T

    def variances(self, features: Array) -> Array:
        """Return the variances of f, (n,)."""
        variances: Array = self.offset**2 + features**2 @ self._variances(features)
        return variances

    def _variances(self, features: Array) -> Array:
        """Return those of the coefficients, (1 + d,)."""
        return np.array([self.doubt**2, *[self.spread**2] * (features.shape[1] - 1)])


PRIOR = Prior()


@dataclass(frozen=True)
class Proxy:
    """M for one person; `fit` makes one."""

    sight: Sight
    prior: Prior
    features: Array
    """(n, 1 + d), of the examples."""
    posterior: Posterior

    @classmethod
    def fit(
        cls,
        liked: Pictures,
        disliked: Pictures,
        profile: Preferences | Taste | Wanted | None,
        encoder: Encoder,
        *,
        reference: Reference | None = None,
        prior: Prior = PRIOR,
    ) -> Proxy:
        """Learn what is known of a person, any of which may be missing.

        Args:
            liked: pictures or rows (n, d); their order is of no account.
            disliked: the same.
            profile: VP+ and VP−; or what `wanted_of` made of them, where it is asked often.
            encoder: makes the rows.
            reference: pictures of all kinds; the built-in query set by default, which is drawn
                the first time.
            prior: what is believed beforehand.

        Raises:
            UsageError: rows that are not the encoder's or not finite, or too many examples.
        """
        sides = [rows_of(encoder, side) for side in (liked, disliked)]
        n = sum(map(len, sides))
        if n > MOST:
            raise UsageError(f"{n:,} examples are more than the {MOST:,} that a proxy takes.")
        usual = built_in(encoder) if reference is None else reference
        wanted = profile if isinstance(profile, Wanted) else wanted_of(profile, encoder)
        sight = Sight(encoder, centre_of(sides, usual.mean), usual.whitening, wanted)
        features = sight.features(np.concatenate(sides))
        judged = np.repeat([True, False], [len(side) for side in sides])
        kernel = prior.covariances(features, features)
        return cls(sight, prior, features, fit(prior.mean(features), kernel, judged))

    @property
    def known(self) -> bool:
        """Whether there is anything to go by."""
        return self.sight.wanted is not None or len(self.features) > 0

    def rate(self, pictures: Pictures) -> tuple[Rating, ...]:
        """Return a rating for each picture, or for each row (q, d).

        Raises:
            UsageError: rows that are not the encoder's or not finite.
        """
        features = self.sight.features(rows_of(self.sight.encoder, pictures))
        cross = self.prior.covariances(features, self.features)
        mean, variance = self.posterior.at(
            self.prior.mean(features), cross, self.prior.variances(features)
        )
        variance *= self.prior.believed
        chances, reach = moderated(mean, variance), NORMAL * np.sqrt(variance)
        return tuple(
            Rating(float(p), float(min(p, low)), float(max(p, high)), self.known)
            for p, low, high in zip(chances, expit(mean - reach), expit(mean + reach), strict=True)
        )
