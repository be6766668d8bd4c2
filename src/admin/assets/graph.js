// Part 2 of 4: the two graphs of the last 15 minutes, a second a point, as SVG.

const SVG = 'http://www.w3.org/2000/svg';
// A young process has no use for 15 minutes of nothing.
const SPANS = [3, 6, 15].map((minutes) => minutes * 60000);
const HEIGHT = 190;
const EDGE = { left: 52, right: 10, top: 16, bottom: 22 };
const LETTERS = { restart: 'R', pause: 'P', resume: 'C', drain: 'D', scale: 'S', state: '●', panic: 'X' };

function shape(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function short(value) {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (value >= 1e3) return `${+(value / 1e3).toFixed(1)}k`;
  return `${+value.toFixed(1)}`;
}

// The least of 1, 2, 4, 5 or 8 times a power of ten that is not below the value: two halves of it are whole, too.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return Math.max([1, 2, 4, 5, 8, 10].find((step) => step * power >= value) * power, 10);
}

class Graph {
  // `series`: [{ key, name, kind }], kind being the class of a line, or `area`.
  // `limit`: the capacity is drawn; `shade`: the seconds in which there was some of that key are marked.
  constructor(place, series, { limit, shade } = {}) {
    this.place = place;
    this.series = series;
    Object.assign(this, { limit, shade });
    this.pointer = null;
    this.width = 0;
    this.svg = shape('svg', { height: HEIGHT, role: 'img' });
    this.reading = make('p', { class: 'reading', 'aria-hidden': 'true' });
    const key = (name, kind) => {
      const swatch = shape('svg', { class: 'swatch', viewBox: '0 0 24 8', 'aria-hidden': 'true' });
      swatch.append(shape('path', { class: kind, d: kind.startsWith('area') ? 'M0 0H24V8H0Z' : 'M0 4H24' }));
      return make('span', {}, swatch, ` ${name}`);
    };
    const keys = series.map(({ name, kind }) => key(name, kind));
    if (shade) keys.push(key(shade, `area ${shade} band`));
    place.replaceChildren(make('p', { class: 'legend' }, ...keys), this.svg, this.reading);
    new ResizeObserver(() => {
      this.width = place.clientWidth;
      this.draw();
    }).observe(place);
    this.svg.addEventListener('pointermove', (event) => {
      this.pointer = event.offsetX;
      this.draw();
    });
    this.svg.addEventListener('pointerleave', () => {
      this.pointer = null;
      this.draw();
    });
  }

  update(samples, marks, label, capacity) {
    Object.assign(this, { samples, marks, label, capacity });
    this.draw();
  }

  draw() {
    if (!this.samples?.length || this.width < 100) return;
    const end = this.samples.at(-1).at;
    const inner = { width: this.width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
    this.span = SPANS.find((span) => end - this.samples[0].at < span) ?? SPANS.at(-1);
    const shown = this.samples.filter((sample) => sample.at > end - this.span);
    const peak = shown.reduce((most, sample) => Math.max(most, ...this.series.map(({ key }) => sample[key])), 0);
    const limited = this.limit && this.capacity && peak > this.capacity / 4;
    // A little above the capacity, arrivals in front of a full buffer, is no reason for another scale.
    const most = limited && peak < this.capacity * 1.1 ? this.capacity : peak;
    const top = ceiling(limited ? Math.max(most, this.capacity) : peak);
    const x = (at) => EDGE.left + inner.width * (1 - (end - at) / this.span);
    const y = (value) => EDGE.top + inner.height * (1 - Math.min(value, top) / top);
    const parts = [...this.axes(x, y, top, end)];
    if (this.shade) parts.push(shape('path', { class: `area ${this.shade} band`, d: this.bands(shown, x, top, y) }));
    for (const { key, kind } of this.series) parts.push(shape('path', { class: kind, d: this.path(shown, key, kind, x, y) }));
    if (limited) {
      parts.push(shape('path', { class: 'limit', d: `M${EDGE.left} ${y(this.capacity)}h${inner.width}` }));
      parts.push(shape('text', { class: 'note', x: EDGE.left + 4, y: y(this.capacity) - 3 }, `capacity ${short(this.capacity)}`));
    }
    for (const { at, marks } of this.clusters(x, end)) {
      parts.push(shape('path', { class: 'mark', d: `M${at} ${EDGE.top}v${inner.height}` }));
      const letters = new Set(marks.map((mark) => LETTERS[mark.kind] ?? '•'));
      const text = letters.size === 1 ? [...letters][0] : '+';
      const letter = shape('text', { class: 'letter', x: at, y: EDGE.top - 4, 'text-anchor': 'middle' }, text);
      letter.append(shape('title', {}, marks.map((mark) => `${clock(mark.at)} ${mark.text}`).join('\n')));
      parts.push(letter);
    }
    this.read(shown, x, end, inner, parts);
    attribute(this.svg, 'width', this.width);
    attribute(this.svg, 'aria-label', this.label);
    this.svg.replaceChildren(...parts);
  }

  // Marks whose letters would cover each other share one.
  clusters(x, end) {
    const found = [];
    for (const mark of this.marks.filter((one) => one.at > end - this.span)) {
      const at = Math.min(x(mark.at), this.width - EDGE.right);
      const last = found.at(-1);
      if (last && at - last.at < 12) last.marks.push(mark);
      else found.push({ at, marks: [mark] });
    }
    return found;
  }

  *axes(x, y, top, end) {
    for (const value of [0, top / 2, top]) {
      yield shape('path', { class: 'grid', d: `M${EDGE.left} ${y(value)}H${this.width - EDGE.right}` });
      yield shape('text', { class: 'note', x: EDGE.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value));
    }
    for (const third of [3, 2, 1, 0]) {
      const anchor = { 3: 'start', 0: 'end' }[third] ?? 'middle';
      const minutes = (third * this.span) / 180000;
      const text = minutes ? `−${minutes} min` : 'now';
      yield shape('text', { class: 'note', x: x(end - minutes * 60000), y: HEIGHT - 6, 'text-anchor': anchor }, text);
    }
  }

  // Seconds in a row with some of `shade` are one band of full height.
  bands(samples, x, top, y) {
    let d = '';
    let start = null;
    for (const [index, sample] of samples.entries()) {
      if (sample[this.shade] > 0) start ??= samples[Math.max(index - 1, 0)].at;
      const last = sample[this.shade] > 0 && index === samples.length - 1;
      if (start !== null && (sample[this.shade] === 0 || last)) {
        const end = last ? sample.at : samples[index - 1].at;
        d += `M${x(start).toFixed(1)} ${y(0)}V${y(top)}H${x(end).toFixed(1)}V${y(0)}Z`;
        start = null;
      }
    }
    return d;
  }

  // A gap of more than five seconds is a gap in the line, too.
  path(samples, key, kind, x, y) {
    let d = '';
    let start = null;
    let before = null;
    const close = () => (kind.startsWith('area') && before !== null ? `L${x(before).toFixed(1)} ${y(0)}H${x(start).toFixed(1)}Z` : '');
    for (const sample of samples) {
      const gap = before === null || sample.at - before > 5000;
      if (gap) {
        d += close();
        start = sample.at;
      }
      d += `${gap ? 'M' : 'L'}${x(sample.at).toFixed(1)} ${y(sample[key]).toFixed(1)}`;
      before = sample.at;
    }
    return d + close();
  }

  // What the pointer is at, in words.
  read(shown, x, end, inner, parts) {
    if (this.pointer === null) return set(this.reading, '');
    const at = end - this.span * (1 - (this.pointer - EDGE.left) / inner.width);
    const near = shown.reduce((best, sample) => (Math.abs(sample.at - at) < Math.abs(best.at - at) ? sample : best));
    parts.push(shape('path', { class: 'cursor', d: `M${x(near.at)} ${EDGE.top}v${inner.height}` }));
    const values = this.series.map(({ key, name }) => `${name} ${number(near[key])}`);
    return set(this.reading, `${clock(near.at)} UTC: ${values.join(', ')}`);
  }
}

function sparkline(values) {
  const most = Math.max(...values, 1);
  const step = (value, index) => `${index ? 'L' : 'M'}${60 - values.length + index + 0.5} ${(15 - (14 * value) / most).toFixed(1)}`;
  return values.map(step).join('');
}

