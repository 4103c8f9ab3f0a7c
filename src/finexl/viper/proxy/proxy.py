"""M without training: a person's examples and preferences as a Bayesian classifier (ViPer §3.3).

A picture x is seen by its direction u(x) from a centre, and by how well that points along the
preferences, s(x); see `sight`. Then P(x is liked) = σ(f(x)), f(x) = b + w·u(x) + a s(x), with

    b ~ N(0, offset²)    w ~ N(0, spread² I)    a ~ N(trust, doubt²)

before any example is seen: without examples the preferences alone decide, without either it is one
half, and as examples come they outweigh both. How strong somebody's taste is, as far as an encoder
can see it, is not known beforehand: several spreads are held at once, each by how probable it makes
the examples, so that a person whom nothing predicts is given no certain answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.viper.proxy.posterior import Posterior, fit, moderated, quantile
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
ENDS = (0.025, 0.975)
"""Of the interval."""


@dataclass(frozen=True)
class Prior:
    """What is believed of people before anything is known of one.

    Chosen by `benchmarks/proxy.py tune`, on simulated people that nothing is scored on;
    docs/viper-proxy.md says where something else than the least log loss decided.
    """

    spreads: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    """How strong tastes may be, every one as probable."""
    offset: float = 0.5
    """How much more some people like everything than others."""
    trust: float = 2.0
    """How far preferences in words are believed."""
    doubt: float = 2.0
    """How much that differs between people."""
    believed: float = 0.12
    """The share of f's variance that is taken for real: tastes lie in few of the directions in
    which pictures differ, and a prior alike in all of them leaves more open than there is."""

    def mean(self, features: Array) -> Array:
        """Return the mean of f, (n,), of features (n, 1 + d)."""
        mean: Array = self.trust * features[:, 0]
        return mean

    def covariances(self, spread: float, some: Array, others: Array) -> Array:
        """Return the covariances of f, (m, n), of features (m, 1 + d) and (n, 1 + d)."""
        return self.offset**2 + (some * self._variances(spread, some)) @ others.T

    def variances(self, spread: float, features: Array) -> Array:
        """Return the variances of f, (n,)."""
        variances: Array = self.offset**2 + features**2 @ self._variances(spread, features)
        return variances

    def _variances(self, spread: float, features: Array) -> Array:
        """Return those of the coefficients, (1 + d,)."""
        return np.array([self.doubt**2, *[spread**2] * (features.shape[1] - 1)])


PRIOR = Prior()


@dataclass(frozen=True)
class Proxy:
    """M for one person; `fit` makes one."""

    sight: Sight
    prior: Prior
    features: Array
    """(n, 1 + d), of the examples."""
    liked: NDArray[np.bool_]
    """(n,)"""
    posteriors: tuple[Posterior, ...]
    """One for each of the prior's spreads."""

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
        mean = prior.mean(features)
        posteriors = tuple(
            fit(mean, prior.covariances(spread, features, features), judged)
            for spread in prior.spreads
        )
        return cls(sight, prior, features, judged, posteriors)

    @property
    def known(self) -> bool:
        """Whether there is anything to go by."""
        return self.sight.wanted is not None or len(self.features) > 0

    @property
    def weights(self) -> Array:
        """How probable each spread is, given the examples, (k,)."""
        weights: Array = softmax([one.evidence for one in self.posteriors])
        return weights

    @property
    def notes(self) -> tuple[str, ...]:
        """What to bear in mind, one sentence each."""
        if self.one_sided:
            given, missing = ("liked", "disliked") if self.liked[0] else ("disliked", "liked")
            return (
                f"Only {given} pictures were given, so that all ratings lean that way and none is "
                f"sure; some {missing} ones would tell much more.",
            )
        liked, disliked = ({row.tobytes() for row in self.features[side]} for side in self._sides)
        both = len(liked & disliked)
        if not both:
            return ()
        return (f"Of the pictures {both:,} stand on both sides and pull both ways.",)

    @property
    def one_sided(self) -> bool:
        """Whether there are examples, and of one side alone.

        Who shows disliked pictures alone may like nearly everything: how much somebody likes on
        the whole is told by examples of both sides only.
        """
        return len(set(self.liked.tolist())) == 1

    @property
    def _sides(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return self.liked, ~self.liked

    def rate(self, pictures: Pictures) -> tuple[Rating, ...]:
        """Return a rating for each picture, or for each row (q, d).

        Raises:
            UsageError: rows that are not the encoder's or not finite.
        """
        means, variances = self.taste(self.sight.features(rows_of(self.sight.encoder, pictures)))
        chances = self._chances(means, variances)
        low, high = (expit(quantile(self.weights, means, variances, p)) for p in ENDS)
        if self.one_sided:
            low, high = np.minimum(low, 0.5), np.maximum(high, 0.5)
        return tuple(
            Rating(float(p), float(min(p, a)), float(max(p, b)), self.known)
            for p, a, b in zip(chances, low, high, strict=True)
        )

    def chances(self, pictures: Pictures) -> Array:
        """Return the ratings' probabilities alone, (q,), which takes half the time."""
        return self._chances(
            *self.taste(self.sight.features(rows_of(self.sight.encoder, pictures)))
        )

    def _chances(self, means: Array, variances: Array) -> Array:
        chances: Array = 0.5 + self.weights @ (moderated(means, variances) - 0.5)
        return chances

    def taste(self, features: Array) -> tuple[Array, Array]:
        """Return what f may be of features (q, 1 + d): mean and variance by each spread, (k, q)."""
        prior = self.prior
        found = [
            posterior.at(
                prior.mean(features),
                prior.covariances(spread, features, self.features),
                prior.variances(spread, features),
            )
            for spread, posterior in zip(prior.spreads, self.posteriors, strict=True)
        ]
        means, variances = np.array(found).transpose(1, 0, 2)
        return means, prior.believed * variances
