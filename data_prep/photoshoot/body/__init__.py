"""MakeHuman's body (CC0; LICENSE.md beside this file): shapes, skeleton, clothing and hair surfaces."""
