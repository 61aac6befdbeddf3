"""MakeHuman's body (CC0, see LICENSE.md): shapes, skeleton, clothing and hair surfaces."""
