"Adds a network of three convolutions to both engines, for scripts of tests in which the network is not the point: TensorFlow takes long to trace a deep one."
import torch
from timm.models import register_model
from timm.models.vgg import VGG

from blood_cell_cancer.models.backbones import BACKBONES, Backbone
from blood_cell_cancer.models.keras.data import keras


@register_model
def tiny_convolutions(pretrained=False, **kwargs):
    net = VGG(cfg=(8, 'M', 16, 'M', 32, 'M'), num_classes=0)
    net.pre_logits = torch.nn.Identity()
    return net


def tiny_keras(include_top, weights, pooling, input_shape):
    entry = x = keras.Input(input_shape)
    for width in (8, 16, 32):
        x = keras.layers.Conv2D(width, 3, padding='same', activation='relu', name=f'conv{width}')(x)
        x = keras.layers.MaxPooling2D(2)(x)
    return keras.Model(entry, keras.layers.GlobalAveragePooling2D()(x))


keras.applications.Tiny = tiny_keras
BACKBONES['tiny'] = Backbone('tiny', 'tiny_convolutions', '', 'Tiny', 32, ('features.',), 'conv8')
