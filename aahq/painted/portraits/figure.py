"""Puts one sitter into a canvas: back hair, neck, clothes, ears, face, features, front hair, each lit."""

from __future__ import annotations

import cv2
import numpy as np

from aahq.painted.portraits.backdrop import body_rings, draw_clothes
from aahq.painted.portraits.canvas import FACE, HAIR, SKIN, Array, Canvas, blur, bounds, polygon, smoothstep, stroke
from aahq.painted.portraits.factors import Factors
from aahq.painted.portraits.features import Sitter, draw_brows, draw_eyes, draw_mouth, draw_nose
from aahq.painted.portraits.hair import covers_ears, draw_back_hair, draw_beard, draw_front_hair
from aahq.painted.portraits.layout import Camera, points_on_face, smooth_curve, surface
from aahq.painted.portraits.light import Light, cast_shadow, shade_skin
from aahq.painted.portraits.relief import relief, skin, skin_tone


def draw_figure(canvas: Canvas, f: Factors, camera: Camera, rng: np.random.Generator) -> Array:
    """Draw one person over the canvas. Returns the 68 landmarks, (68, 2) float32 pixels."""
    shape = canvas.part.shape
    unit = camera.unit
    light = Light.of(f)
    points = points_on_face(f)
    who = Sitter(f, camera, points, light, np.zeros(shape, np.float32), rng)
    u, v, x, y = _head_grid(canvas, camera, f)

    outline = who.pixels(_outline(f, points))
    face = polygon(shape, outline)
    draw_back_hair(canvas, who)
    skin_ring, cloth_ring = body_rings(f)
    neck_px, cloth_px = (_body_pixels(who, ring) for ring in (skin_ring, cloth_ring))
    neck = polygon(shape, neck_px)

    depth = _face_depth(u, v, x, y, f, camera, face)
    scene = canvas.depth.copy()
    neck_depth = (0.55 * blur(neck, 0.22 * unit) - 0.85) * unit + 0.15 * unit * np.exp(-((x / 0.3) ** 2))
    scene = np.where(neck > 0.5, neck_depth, scene)
    scene = np.where(face > 0.5, depth, scene)
    shadow = cast_shadow(scene, light, unit)
    albedo = skin(u, v, f, rng, unit)
    tendons = stroke(
        shape, _body_pixels(who, np.array([(0.42, 1.7), (0.13, 2.36)], np.float32)), 0.07 * unit, True, 0.03 * unit
    )
    under_chin = 0.55 * smoothstep(0, 1, blur(face, 0.16 * unit) * (1 - face) * 1.9)
    lit = _shaded(neck, albedo, neck_depth + 0.10 * unit * tendons, np.maximum(shadow, under_chin), who, 0.5)
    canvas.lay(neck, lit, albedo, SKIN, neck_depth)
    draw_clothes(canvas, who, cloth_px, shadow)
    if not covers_ears(f):
        _draw_ears(canvas, who, albedo)

    oily = 0.8 + 0.5 * np.exp(-((u / 0.3) ** 2))
    lit = _shaded(face, albedo, depth, shadow, who, oily)
    canvas.lay(face, lit, albedo, FACE, depth)
    who = Sitter(f, camera, points, light, shadow, rng)
    draw_nose(canvas, who)
    draw_mouth(canvas, who, lit)
    draw_beard(canvas, who, u, v, face)
    draw_eyes(canvas, who)
    draw_brows(canvas, who)
    rim = stroke(shape, who.pixels(smooth_curve(points[:17], 80)), 0.02 * unit, False, 0.005 * unit)
    canvas.lines[:] = np.maximum(canvas.lines * 1.0, 0.8 * rim)
    _hair_shadow_and_hair(canvas, who, face)
    _mark_care(canvas, who)
    return who.pixels(points)


def _head_grid(canvas: Canvas, camera: Camera, f: Factors) -> tuple[Array, Array, Array, Array]:
    """Head coordinates (u, v) and turned coordinates (x, y) of every pixel."""
    step = max(1.0, camera.unit / 18)
    x, y = camera.turned_grid(canvas.height, canvas.width)
    small_x, small_y = camera.turned_grid(canvas.height, canvas.width, step)
    u, v = camera.face_grid(small_x, small_y, f)
    # The differences are smooth and small; enlarging them keeps pixel precision.
    size = (canvas.width, canvas.height)
    map_x = (np.arange(canvas.width, dtype=np.float32) + 0.5) / np.float32(step) - 0.5
    map_y = (np.arange(canvas.height, dtype=np.float32) + 0.5) / np.float32(step) - 0.5
    grid = np.broadcast_to(map_x, size[::-1]).copy(), np.broadcast_to(map_y[:, None], size[::-1]).copy()
    du, dv = (
        cv2.remap(d, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for d in (u - small_x, v - small_y)
    )
    return x + du, y + dv, x, y


def _shaded(mask: Array, albedo: Array, depth: Array, shadow: Array, who: Sitter, oily: Array | float) -> Array:
    """`shade_skin` where the mask is, with room for its blurs; elsewhere zero."""
    top, bottom, left, right = bounds(mask)
    room = int(0.5 * who.camera.unit) + 2
    at = np.s_[max(top - room, 0) : bottom + room, max(left - room, 0) : right + room]
    out = np.zeros_like(albedo)
    if bottom > top:
        gloss = oily[at] if isinstance(oily, np.ndarray) else oily
        out[at] = shade_skin(albedo[at], depth[at], shadow[at], who.light, who.camera.unit, gloss)
    return out


def _outline(f: Factors, points: Array) -> Array:
    w = f["face_width"]
    top = np.array([(1.175, -0.30), (1.10, -0.80), (0.82, -1.26), (0.35, -1.50), (0, -1.54)]) * (w, 1)
    ring = np.concatenate([points[:17], top, top[-2::-1] * (-1, 1)])
    return smooth_curve(ring, 160, closed=True)


def _face_depth(u: Array, v: Array, x: Array, y: Array, f: Factors, camera: Camera, face: Array) -> Array:
    """Depth of the face in pixels: the turned surface, its relief, and an edge that rolls away."""
    unit = camera.unit
    z = surface(u, v, f) + relief(u, v, f)
    _, _, depth = camera.turn(u, v, z)
    inside = cv2.distanceTransform((face > 0.5).astype(np.uint8), cv2.DIST_L2, 3) / np.float32(0.42 * unit)
    inside = cv2.GaussianBlur(np.minimum(inside, 1), (0, 0), 0.03 * unit + 0.5)
    roll = np.sqrt(np.clip(1 - (1 - inside) ** 2, 0, 1)) * 0.34
    return cv2.GaussianBlur(((depth + roll) * unit).astype(np.float32), (0, 0), 0.010 * unit + 0.4)


def _body_pixels(who: Sitter, ring: Array) -> Array:
    """The body faces the viewer more than the head does, and leans along with a part of the head's roll."""
    camera = who.camera
    half = Camera(camera.yaw * 0.35, camera.pitch * 0.3, camera.matrix, camera.shift)
    origin = np.array([0.0], np.float32), np.array([1.3], np.float32)
    pinned = camera.to_pixels(*origin, who.f, np.array([-0.1], np.float32))
    moved = half.to_pixels(*origin, who.f, np.array([-0.1], np.float32))
    return half.to_pixels(ring[:, 0], ring[:, 1], who.f, np.full(len(ring), -0.1, np.float32)) + (pinned - moved)


def _draw_ears(canvas: Canvas, who: Sitter, albedo: Array) -> None:
    f, unit = who.f, who.camera.unit
    shape = canvas.part.shape
    for side in (-1, 1):
        ring = np.array(
            [(1.13, -0.16), (1.24, -0.28), (1.36, -0.20), (1.37, 0.05), (1.28, 0.32), (1.20, 0.52), (1.12, 0.50)]
        )
        ring = smooth_curve(ring * (side * f["face_width"], 1.0), 40, closed=True)
        z = np.full(40, 0.10, np.float32)
        px = who.camera.to_pixels(ring[:, 0], ring[:, 1], f, z)
        mask = polygon(shape, px)
        depth = 0.30 * unit * blur(mask, 0.05 * unit)
        inner = ring.mean(0) + (ring - ring.mean(0)) * 0.55
        hollow = polygon(shape, who.camera.to_pixels(inner[:, 0], inner[:, 1], f, z), 0.03 * unit)
        lit = _shaded(mask, albedo, depth - 0.1 * unit * hollow, 0.3 * mask, who, 0.6)
        canvas.lay(mask, lit * np.array([1.05, 0.88, 0.85], np.float32), albedo, SKIN, depth)
        canvas.lay(hollow * 0.35, skin_tone(f) * np.array([0.35, 0.18, 0.15], np.float32), albedo * 0.7, None)
        canvas.lines[:] = np.maximum(canvas.lines * (1 - mask), 0.6 * stroke(shape, px, 0.018 * unit))
        if f["earrings"] > 0.5:
            lobe = np.array([[side * 1.19 * f["face_width"], 0.60]], np.float32)
            drop = who.camera.to_pixels(lobe[:, 0], lobe[:, 1], f, z[:1])
            gem = np.zeros(shape, np.uint8)
            cv2.circle(gem, tuple(int(c) for c in np.round(drop[0])), max(2, round(0.055 * unit)), 255, -1, cv2.LINE_AA)
            canvas.lay(
                gem.astype(np.float32) / 255,
                np.array([0.9, 0.68, 0.25], np.float32),
                np.array([0.9, 0.7, 0.3], np.float32),
                None,
            )


def _hair_shadow_and_hair(canvas: Canvas, who: Sitter, face: Array) -> None:
    unit = who.camera.unit
    before = canvas.rgb.copy()
    kept = canvas.part == FACE
    hair = draw_front_hair(canvas, who)
    canvas.lines *= 1 - (canvas.part == HAIR)
    offset = -who.light.direction[:2] * 0.16 * unit
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]], np.float32)
    fallen = cv2.warpAffine(hair, move, hair.shape[::-1])
    fallen = np.maximum(blur(fallen, 0.06 * unit), 0.8 * blur(hair, 0.09 * unit)) * face
    visible = fallen * (1 - hair) * kept
    # Elsewhere nothing grows dimmer.
    top, bottom, left, right = bounds(visible)
    at = np.s_[top:bottom, left:right]
    rgb = canvas.rgb[at]
    dim = 1 - visible[at][..., None] * np.array([0.42, 0.50, 0.54], np.float32)
    same = np.abs(rgb - before[at]).sum(2) < 1e-6
    rgb[same] = (rgb * dim)[same]


def _mark_care(canvas: Canvas, who: Sitter) -> None:
    """Eyes, nose and mouth ask the styles for finer work."""
    unit = who.camera.unit
    p = who.pixels(who.points)
    care = np.zeros(canvas.part.shape, np.float32)
    for group, grow in ((p[36:42], 0.10), (p[42:48], 0.10), (p[48:60], 0.08), (p[31:36], 0.10)):
        hull = cv2.convexHull(group)[:, 0]
        mask = polygon(canvas.part.shape, hull)
        care = np.maximum(care, np.clip(3 * blur(mask, grow * unit), 0, 1))
    for group in (p[17:22], p[22:27], p[27:31]):
        care = np.maximum(care, np.clip(1.3 * stroke(canvas.part.shape, group, 0.15 * unit, False, 0.05 * unit), 0, 1))
    canvas.care[:] = np.maximum(canvas.care, np.maximum(care, 0.35 * (canvas.part == FACE)))
