"""Losses: zero where they should be, known values, and gradients that point the right way."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'headgan[train]'")

from headgan.models.nets.discriminators import PatchDiscriminator  # noqa: E402
from headgan.models.nets.losses import (  # noqa: E402
    cut_boxes,
    feature_matching,
    gradient_l1,
    hinge_of_discriminator,
    hinge_of_generator,
    mask_distance,
    masked_l1,
    masked_l2,
    smoothness,
    vgg_distance,
)
from headgan.models.nets.vgg import VggFeatures  # noqa: E402


def test_masked_l1_is_the_mean_over_the_weights() -> None:
    picture, truth = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    truth[..., 2:] = 3
    assert masked_l1(picture, truth) == 2
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1
    assert masked_l1(picture, truth, left) == 1
    assert masked_l1(picture, truth, 0 * left) == 0
    assert masked_l1(picture, truth, left + 1) == pytest.approx(5 / 3)


def test_masked_l2_weighs_what_is_badly_wrong() -> None:
    picture, truth = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    truth[..., 2:] = 3
    assert masked_l2(picture, truth) == 5
    right = torch.zeros(1, 1, 4, 4)
    right[..., 2:] = 1
    assert masked_l2(picture, truth, right) == 9


def test_gradient_l1_sees_edges_and_no_offset() -> None:
    picture = torch.rand(1, 3, 8, 8)
    assert gradient_l1(picture + 0.5, picture) < 1e-6
    edge = torch.zeros(1, 1, 4, 4)
    edge[..., 2:] = 1
    assert gradient_l1(edge, torch.zeros_like(edge)) == pytest.approx(1 / 3)


def test_a_rigid_flow_is_smooth() -> None:
    assert smoothness(torch.full((1, 2, 8, 8), 0.3)) == 0
    assert smoothness(torch.rand(1, 2, 8, 8)) > 0


def test_a_mask_is_compared_at_its_own_size() -> None:
    person = torch.zeros(1, 1, 8, 8)
    person[..., 4:] = 1
    assert mask_distance(torch.nn.functional.avg_pool2d(person, 2), person) == 0
    assert mask_distance(torch.zeros(1, 1, 4, 4), person) == 0.5


def test_the_hinge_rests_where_the_discriminator_is_sure() -> None:
    sure_real, sure_fake = [torch.full((1, 1, 2, 2), 1.5)], [torch.full((1, 1, 2, 2), -1.5)]
    assert hinge_of_discriminator(sure_real, sure_fake) == 0
    assert hinge_of_discriminator(sure_fake, sure_real) == 5
    assert hinge_of_generator(sure_real) == -1.5


def test_feature_matching_weighs_the_layers_as_published() -> None:
    real = [(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))]
    fake = [(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 2.0))]
    assert feature_matching(real, fake) == pytest.approx((1 + 2) * 4 / 3)
    assert feature_matching(real * 2, fake * 2) == pytest.approx((1 + 2) * 4 / 3)


def test_the_vgg_distance_falls_when_a_picture_comes_nearer() -> None:
    torch.manual_seed(0)
    vgg = VggFeatures((4, 4, 4, 4, 4))
    wanted = vgg(torch.rand(2, 3, 32, 32))
    far = torch.rand(2, 3, 32, 32, requires_grad=True)
    distance = vgg_distance(vgg(far), wanted)
    distance.backward()  # type: ignore[no-untyped-call]
    assert far.grad is not None
    assert vgg_distance(wanted, wanted) == 0
    with torch.no_grad():
        nearer = far - 1e-2 * far.grad / far.grad.abs().max()
        assert vgg_distance(vgg(nearer), wanted) < distance


def test_a_box_is_cut_where_it_is() -> None:
    picture = torch.rand(2, 3, 64, 64)
    whole = torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3)
    torch.testing.assert_close(cut_boxes(picture, whole, 64), picture)
    # The lower right quarter of the first, the upper left of the second.
    boxes = torch.tensor([[0.5, 0.5, 0.5], [-0.5, -0.5, 0.5]])
    cut = cut_boxes(picture, boxes, 32)
    torch.testing.assert_close(cut[0], picture[0, :, 32:, 32:])
    torch.testing.assert_close(cut[1], picture[1, :, :32, :32])


@pytest.mark.parametrize("condition", [torch.rand(2, 3, 64, 64), torch.rand(2, 3)], ids=["picture", "vector"])
def test_a_discriminator_judges_patches_at_two_scales(condition: Any) -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(6, width=8)
    picture = torch.rand(2, 3, 64, 64, requires_grad=True)
    judgement = judge.forward(picture, condition)
    assert [tuple(item.shape) for item in judgement.scores] == [(2, 1, 11, 11), (2, 1, 7, 7)]
    assert [len(item) for item in judgement.features] == [4, 4]
    hinge_of_generator(judgement.scores).backward()  # type: ignore[no-untyped-call]
    assert picture.grad is not None and picture.grad.abs().sum(dim=(1, 2, 3)).all()


def test_a_vector_counts_as_if_it_were_tiled_over_the_picture() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(8, width=8)
    picture, vector = torch.rand(2, 3, 32, 32), torch.randn(2, 5)
    tiled = vector[:, :, None, None].expand(-1, -1, 32, 32)
    for one, other in (
        (judge.forward(picture, vector), judge.forward(picture, tiled)),
        (judge.forward(picture, None), judge.forward(picture, 0 * tiled)),
    ):
        for mine, theirs in zip(one.scores, other.scores, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_the_published_discriminators_have_their_sizes() -> None:
    with torch.device("meta"):
        sizes = [
            sum(parameter.numel() for parameter in PatchDiscriminator(inputs).parameters())
            for inputs in (3 + 9, 3 + 300)
        ]
    assert [round(size / 1e6, 2) for size in sizes] == [5.55, 6.14]
