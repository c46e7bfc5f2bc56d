"""Positions of a layer's cells on the image."""

import numpy as np
import pytest
import torch
from torch import nn

from ecgcore.explanation.layer_grid import cell_centres, interpolate_cells
from ecgcore.models import create_model


@pytest.mark.parametrize("name", ["alexnet_gap", "alexnet_m_se_gap"])
def test_alexnets_cells_stand_16_px_apart_from_15_5_px_on(name):
    model = create_model(name, classes=2).eval()
    for centres in cell_centres(model, model.cam_layer, torch.zeros(1, 3, 224, 224)):
        np.testing.assert_array_equal(centres, 15.5 + 16 * np.arange(13))


def test_a_cells_middle_is_the_centre_of_what_it_sees():
    """The gradient of one cell of a net of equal weights is centred where the cell stands."""
    model = nn.Sequential(
        nn.Conv2d(1, 1, 5, stride=2, padding=1, bias=False),
        nn.AvgPool2d(3, stride=2),
        nn.Conv2d(1, 1, 3, padding=2, dilation=2, bias=False),
    )
    for layer in (model[0], model[2]):
        nn.init.ones_(layer.weight)
    image = torch.zeros(1, 1, 64, 96, requires_grad=True)
    cells = model(image)
    rows, columns = cell_centres(model, model[2], image.detach())
    assert cells.shape[2:] == (len(rows), len(columns))
    cells[0, 0, 7, 10].backward()
    weight = image.grad[0, 0].numpy()
    assert (np.arange(64) + 0.5) @ weight.sum(1) / weight.sum() == pytest.approx(rows[7])
    assert (np.arange(96) + 0.5) @ weight.sum(0) / weight.sum() == pytest.approx(columns[10])


def test_where_the_way_branches_the_image_is_divided_evenly():
    class Branched(nn.Module):
        """Two ways of different windows, joined."""

        def __init__(self):
            super().__init__()
            self.straight = nn.Conv2d(3, 1, 3, stride=2, padding=1)
            self.aside = nn.Conv2d(3, 1, 1, stride=2)
            self.joined = nn.Identity()

        def forward(self, images):
            return self.joined(self.straight(images) + self.aside(images))

    model = Branched()
    rows, columns = cell_centres(model, model.joined, torch.zeros(1, 3, 8, 16))
    np.testing.assert_array_equal(rows, [1, 3, 5, 7])
    np.testing.assert_array_equal(columns, np.arange(1, 16, 2))


def test_cells_are_spread_linearly_between_their_middles_and_level_beyond():
    cells = np.array([[0.0, 1.0], [0.0, 1.0]])
    image = interpolate_cells(cells, np.array([1.5, 3.5]), np.array([1.5, 3.5]), (5, 6))
    np.testing.assert_allclose(image, np.tile([0, 0, 0.5, 1, 1, 1], (5, 1)))
