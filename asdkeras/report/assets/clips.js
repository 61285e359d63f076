// Plays clips: marks name and play theirs, cards draw spectrograms. Plain JavaScript, no library,
// nothing fetched. Without it cards still play, and marks still have their names.
(() => {
"use strict";
const WINDOW = 1024, HOP = 256, RANGE_DB = 80, FINGER = 16;
const SVG = "http://www.w3.org/2000/svg";
// Viridis: its lightness grows evenly, for color-blind eyes as well, and on paper.
const COLORS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30",
  "fde725"].map(text => [0, 2, 4].map(at => parseInt(text.slice(at, at + 2), 16)));
const clips = new Map();
const sounds = new Map();

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function readPage() {
  for (const block of document.querySelectorAll("script.clip-data")) {
    const data = JSON.parse(block.textContent);
    for (const [key, [name, facts, verdict]] of Object.entries(data.clips)) {
      if (!clips.has(key)) clips.set(key, {name, facts, verdicts: []});
      clips.get(key).verdicts.push([data.run, verdict]);
    }
    for (const [key, sound] of Object.entries(data.sounds)) sounds.set(key, sound);
  }
  const players = [...document.querySelectorAll(".clip audio[data-clip]")];
  for (const player of players) {
    if (player.dataset.rate) {
      sounds.set(player.dataset.clip, [player.getAttribute("src"), Number(player.dataset.rate)]);
    }
  }
  for (const player of players) {
    const sound = sounds.get(player.dataset.clip);
    if (sound && !player.dataset.rate) player.src = sound[0];
  }
  return players;
}

// Spectrograms

function transform(real, imaginary) {
  const length = real.length;
  for (let i = 1, j = 0; i < length; i++) {
    let bit = length >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= length; size <<= 1) {
    const half = size >> 1;
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos(2 * Math.PI * k / size), sine = -Math.sin(2 * Math.PI * k / size);
      for (let low = k; low < length; low += size) {
        const high = low + half;
        const re = real[high] * cosine - imaginary[high] * sine;
        const im = real[high] * sine + imaginary[high] * cosine;
        real[high] = real[low] - re;
        imaginary[high] = imaginary[low] - im;
        real[low] += re;
        imaginary[low] += im;
      }
    }
  }
}

// Decibels, frame by frame, from the lowest frequency upwards; 0 is the loudest.
function decibels(samples) {
  const numFrames = Math.max(1, Math.floor((samples.length - WINDOW) / HOP) + 1);
  const numBins = WINDOW / 2;
  const levels = new Float32Array(numFrames * numBins);
  const real = new Float64Array(WINDOW), imaginary = new Float64Array(WINDOW);
  let highest = 1e-20;
  for (let frame = 0; frame < numFrames; frame++) {
    for (let n = 0; n < WINDOW; n++) {
      const hann = 0.5 - 0.5 * Math.cos(2 * Math.PI * n / WINDOW);
      real[n] = hann * (samples[frame * HOP + n] || 0);
      imaginary[n] = 0;
    }
    transform(real, imaginary);
    for (let bin = 0; bin < numBins; bin++) {
      const power = real[bin] * real[bin] + imaginary[bin] * imaginary[bin];
      levels[frame * numBins + bin] = power;
      if (power > highest) highest = power;
    }
  }
  for (let i = 0; i < levels.length; i++) {
    levels[i] = 10 * Math.log10(Math.max(levels[i] / highest, 1e-20));
  }
  return {levels, numFrames, numBins};
}

function paint(canvas, {levels, numFrames, numBins}) {
  canvas.width = numFrames;
  canvas.height = numBins;
  const context = canvas.getContext("2d");
  const image = context.createImageData(numFrames, numBins);
  for (let frame = 0; frame < numFrames; frame++) {
    for (let bin = 0; bin < numBins; bin++) {
      const level = 1 + levels[frame * numBins + bin] / RANGE_DB;
      const place = Math.min(Math.max(level, 0), 1) * (COLORS.length - 1);
      const low = Math.min(Math.floor(place), COLORS.length - 2);
      const at = 4 * ((numBins - 1 - bin) * numFrames + frame);
      for (let c = 0; c < 3; c++) {
        image.data[at + c] = COLORS[low][c] + (place - low) * (COLORS[low + 1][c] - COLORS[low][c]);
      }
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

function axis(name, unit, most, step) {
  const made = make("div", {class: `axis-${name}`, "aria-hidden": "true"});
  for (let value = 0; value <= most * 1.0001; value += step) {
    const mark = make("span", {}, value === 0 ? `0 ${unit}` : `${value}`);
    mark.style.setProperty("--at", `${100 * value / most}%`);
    made.append(mark);
  }
  return made;
}

async function drawSpectrogram(box, key) {
  const [address, rate] = sounds.get(key);
  const {name} = clips.get(key);
  try {
    const text = atob(address.slice(address.indexOf(",") + 1));
    const bytes = Uint8Array.from(text, letter => letter.charCodeAt(0));
    const context = new OfflineAudioContext(1, 1, rate);
    const decoded = await context.decodeAudioData(bytes.buffer);
    const seconds = decoded.duration, khz = rate / 2000;
    const canvas = make("canvas", {role: "img", "aria-label":
      `spectrogram of ${name}: ${seconds.toFixed(1)} s, 0 to ${khz} kHz`});
    paint(canvas, decibels(decoded.getChannelData(0)));
    if (box.dataset.clip !== key) return;
    box.replaceChildren(axis("y", "kHz", khz, khz > 4 ? 2 : 1), canvas,
      axis("x", "s", seconds, seconds > 6 ? 2 : seconds > 2 ? 1 : 0.5));
  } catch (error) {
    box.replaceChildren(`no spectrogram: this browser cannot decode the sound (${error.message})`);
  }
}

function spectrogramBox(key) {
  return make("div", {class: "spectrogram", "data-clip": key});
}

function drawCardsInView(players) {
  const observer = new IntersectionObserver(entries => {
    for (const {isIntersecting, target} of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      drawSpectrogram(target, target.dataset.clip);
    }
  }, {rootMargin: "300px"});
  for (const player of players) {
    if (!sounds.has(player.dataset.clip)) continue;
    const box = spectrogramBox(player.dataset.clip);
    player.before(box);
    observer.observe(box);
  }
}

// Marks of maps

const marksOf = new Map();
const spoken = make("div", {class: "unseen", role: "status"});
const tip = make("div", {class: "tip", hidden: "", "aria-hidden": "true"});
const panel = make("aside", {class: "player", role: "dialog", hidden: "", tabindex: "-1",
  "aria-labelledby": "player-name"});
let chosen = null, cameFrom = null;

const place = mark => [Number(mark.getAttribute("x")), Number(mark.getAttribute("y"))];

function ring(svg, kind, mark) {
  let circle = svg.querySelector(`.${kind}`);
  if (!mark) return circle && circle.remove();
  if (!circle) {
    circle = document.createElementNS(SVG, "circle");
    circle.setAttribute("class", `ring ${kind}`);
    circle.setAttribute("r", kind === "chosen" ? 8 : 6);
  }
  const [x, y] = place(mark);
  circle.setAttribute("cx", x);
  circle.setAttribute("cy", y);
  svg.append(circle);
}

function verdictLines(clip) {
  const several = clip.verdicts.length > 1;
  return clip.verdicts.map(([run, verdict]) => several ? `${run}: ${verdict}` : verdict);
}

function showTip(mark) {
  const clip = clips.get(mark.dataset.clip);
  if (!clip) return;
  // The browser's own tooltip would lie over this one.
  const title = mark.querySelector("title");
  if (title) title.remove();
  tip.replaceChildren(make("b", {}, clip.name),
    ...[clip.facts, ...verdictLines(clip)].map(line => make("span", {}, line)));
  if (sounds.has(mark.dataset.clip)) tip.append(make("i", {}, "click to play"));
  tip.hidden = false;
  const of = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
  const wide = document.documentElement.clientWidth;
  const left = Math.min(Math.max(of.left + of.width / 2 - own.width / 2, 4), wide - own.width - 4);
  const above = of.top - own.height - 8;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${above > 4 ? above : of.bottom + 8}px`;
}

function choose(mark) {
  const key = mark.dataset.clip;
  const clip = clips.get(key);
  if (!clip) return;
  unchoose();
  tip.hidden = true;
  chosen = key;
  cameFrom = mark.ownerSVGElement;
  for (const each of marksOf.get(key)) ring(each.ownerSVGElement, "chosen", each);
  const close = make("button", {type: "button", class: "close", "aria-label": "close player"},
    "\u00d7");
  close.addEventListener("click", closePanel);
  const lines = [clip.facts, ...verdictLines(clip)].map(line => make("p", {}, line));
  const facts = make("div", {class: "facts"},
    make("p", {id: "player-name", class: "player-name"}, clip.name), ...lines);
  panel.replaceChildren(facts, close);
  panel.hidden = false;
  if (sounds.has(key)) play(key, facts);
  else facts.append(make("p", {class: "faint"}, "The sound of this clip is not in this file."));
  const hidden = mark.getBoundingClientRect().bottom + FINGER - panel.getBoundingClientRect().top;
  if (hidden > 0) scrollBy({top: hidden});
}

function play(key, facts) {
  const player = make("audio", {controls: "", src: sounds.get(key)[0],
    "aria-label": `sound of ${clips.get(key).name}`});
  const box = spectrogramBox(key);
  facts.append(player);
  facts.after(box);
  drawSpectrogram(box, key);
  player.play().catch(() => {});  // Some browsers play only after the reader's own press.
}

function unchoose() {
  // What leaves the page falls silent by itself, but later.
  for (const player of panel.querySelectorAll("audio")) player.pause();
  for (const mark of marksOf.get(chosen) || []) ring(mark.ownerSVGElement, "chosen", null);
  chosen = null;
}

function closePanel() {
  unchoose();
  const hadFocus = panel.contains(document.activeElement);
  panel.hidden = true;
  panel.replaceChildren();
  if (hadFocus && cameFrom) cameFrom.focus({preventScroll: true});
}

// The nearest mark in a direction; marks in one place follow each other in their order.
function nearest(marks, current, dx, dy) {
  const [x, y] = place(marks[current]);
  let best = current, least = Infinity;
  marks.forEach((mark, number) => {
    const [toX, toY] = place(mark);
    const along = (toX - x) * dx + (toY - y) * dy;
    const across = Math.abs((toX - x) * dy) + Math.abs((toY - y) * dx);
    const isHere = along === 0 && across === 0;
    if (isHere ? (number - current) * (dx - dy) <= 0 : along <= 0 || across > 2 * along) return;
    const cost = isHere ? Math.abs(number - current) * 1e-9 : along + 2 * across;
    if (cost < least) [best, least] = [number, cost];
  });
  return best;
}

// A finger is wider than a mark.
function markNear(svg, marks, {clientX, clientY}) {
  const at = new DOMPoint(clientX, clientY).matrixTransform(svg.getScreenCTM().inverse());
  let best = null, least = FINGER / svg.getScreenCTM().a;
  for (const mark of marks) {
    if (mark.parentNode.classList.contains("dim")) continue;
    const [x, y] = place(mark);
    const distance = Math.hypot(x - at.x, y - at.y);
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}

// An entry of a legend shows its marks alone, while it is pointed at or until it is pressed again.
function selectable(figure) {
  const groups = [...figure.querySelectorAll("svg.map > g")];
  let pressed = null;
  const show = value => {
    for (const group of groups) {
      group.classList.toggle("dim", value !== null && group.dataset.value !== value);
    }
  };
  const buttons = [...figure.querySelectorAll(".legend > li")].map((entry, number) => {
    const value = String(number);
    const button = make("button", {type: "button", class: "entry", "aria-pressed": "false"},
      ...entry.childNodes);
    button.addEventListener("click", () => {
      pressed = pressed === value ? null : value;
      for (const each of buttons) {
        each.setAttribute("aria-pressed", String(each === button && pressed !== null));
      }
      show(pressed);
    });
    for (const kind of ["pointerenter", "focus"]) button.addEventListener(kind, () => show(value));
    for (const kind of ["pointerleave", "blur"]) button.addEventListener(kind, () => show(pressed));
    entry.append(button);
    return button;
  });
}

const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

function walkable(svg) {
  let marks = null, current = 0;
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "map of clips");
  svg.setAttribute("aria-label",
    `${svg.getAttribute("aria-label")}. Arrow keys go to the nearest clip, ` +
    "Page Down to the next, Enter plays.");
  const go = number => {
    current = number;
    ring(svg, "at", marks[current]);
    const clip = clips.get(marks[current].dataset.clip);
    if (clip) spoken.textContent = [clip.name, clip.facts, ...verdictLines(clip)].join(", ");
    showTip(marks[current]);
  };
  svg.addEventListener("focus", () => {
    marks = marks || [...svg.querySelectorAll("use[data-clip]")];
    if (marks.length && svg.matches(":focus-visible")) go(current);
  });
  svg.addEventListener("blur", () => { ring(svg, "at", null); tip.hidden = true; });
  svg.addEventListener("keydown", event => {
    if (!marks || !marks.length || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) go(nearest(marks, current, ...ARROWS[event.key]));
    else if (event.key === "PageDown") go((current + 1) % marks.length);
    else if (event.key === "PageUp") go((current + marks.length - 1) % marks.length);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(marks.length - 1);
    else if (event.key === "Enter" || event.key === " ") {
      choose(marks[current]);
      panel.focus({preventScroll: true});
    } else return;
    event.preventDefault();
  });
  svg.addEventListener("click", event => {
    marks = marks || [...svg.querySelectorAll("use[data-clip]")];
    const mark = event.target.closest("use[data-clip]") || markNear(svg, marks, event);
    if (!mark) return;
    current = marks.indexOf(mark);
    choose(mark);
  });
  svg.addEventListener("pointerover", event => {
    const mark = event.target.closest("use[data-clip]");
    if (mark && event.pointerType !== "touch") showTip(mark);
  });
  svg.addEventListener("pointerout", () => { tip.hidden = true; });
}

function start() {
  const players = readPage();
  drawCardsInView(players);
  // One sound at a time.
  document.addEventListener("play", event => {
    for (const player of document.querySelectorAll("audio")) {
      if (player !== event.target) player.pause();
    }
  }, true);
  for (const mark of document.querySelectorAll("svg.map use[data-clip]")) {
    const key = mark.dataset.clip;
    if (!marksOf.has(key)) marksOf.set(key, []);
    marksOf.get(key).push(mark);
  }
  document.body.append(spoken, tip, panel);
  for (const svg of document.querySelectorAll("svg.map")) {
    walkable(svg);
    selectable(svg.parentNode);
  }
  document.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    tip.hidden = true;
    if (!panel.hidden) closePanel();
  });
  addEventListener("scroll", () => { tip.hidden = true; }, {passive: true});
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
})();
