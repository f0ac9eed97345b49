"""MiniLM against published embeddings, and properties of the embedding."""

import jax
import minilm
import numpy as np

# First elements as published by users of the original implementation (sentence-transformers).
PUBLISHED = {
    "This is an example sentence": (
        (0.06765693, 0.06349593, 0.04871314, 0.07930495, 0.03744806, 0.00265273)
    ),
    "Each sentence is converted": (0.08643859,),
}
# They carry eight decimals, and float32 rounding moves a unit vector's elements by about 1e-7.
TOLERANCE = 1e-6


def embed(sentences: list[str], length: int) -> np.ndarray:
    fn, args = minilm.model(sentences, length)
    return np.asarray(jax.jit(fn)(*args))


def test_embeddings_are_the_published_ones_whatever_the_padding():
    embeddings = embed(list(PUBLISHED), length=12)
    for embedding, expected in zip(embeddings, PUBLISHED.values(), strict=True):
        np.testing.assert_allclose(embedding[: len(expected)], expected, rtol=0, atol=TOLERANCE)
    padded = embed(list(PUBLISHED), length=16)
    np.testing.assert_allclose(padded, embeddings, rtol=0, atol=TOLERANCE)


def test_similar_sentences_are_closest():
    embeddings = embed(list(minilm.SENTENCES), length=16)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=TOLERANCE)
    similarities = embeddings @ embeddings.T
    np.fill_diagonal(similarities, -1)
    assert np.argmax(similarities, axis=1)[:4].tolist() == [1, 0, 3, 2]


def test_long_sentences_are_cut():
    ids, mask = minilm.tokenize(["word " * 100], length=8)
    assert ids.shape == mask.shape == (1, 8)
    assert mask.all()


def test_the_table_names_every_sentence():
    table = minilm.similarity_table(["one", "two"], np.eye(2, dtype=np.float32))
    assert table.row_count == 2
    assert list(table.columns[3].cells) == ["0.000", "1.000"]
