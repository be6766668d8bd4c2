// The page's script, part 1 of 4: figures as people read them, and small helpers. The same rules as src/admin/words.rs.

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

const number = (value) => grouped.format(value);

const rate = (value) => (value > 0 && value < 9.95 ? value.toFixed(1) : number(Math.round(value)));

function millis(value) {
  if (value <= 0) return '–';
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 10000) return `${number(Math.round(value))} ms`;
  return `${(value / 1000).toFixed(1)} s`;
}

function span(seconds) {
  const whole = Math.floor(seconds);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

const ago = (seconds) => `${seconds < 10 ? `${Math.floor(seconds)} s` : span(seconds)} ago`;

const stamp = (at) => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

const clock = (at) => new Date(at).toISOString().slice(11, 19);

const words = (text) => text.replaceAll('_', ' ');

const field = (name) => document.querySelector(`[data-f="${name}"]`);

// Writes only what has changed, so that nothing is announced, selected or laid out again without need.
function set(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

const show = (name, text) => set(field(name), text);

function attribute(element, name, value) {
  if (element && element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function meter(element, value, most) {
  if (!element) return;
  attribute(element, 'max', Math.max(most, 1));
  if (element.hasAttribute('high')) attribute(element, 'high', Math.floor((Math.max(most, 1) * 4) / 5));
  attribute(element, 'value', value);
}

// Makes an element; children are elements or text, so that nothing from outside is ever read as markup.
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function badge(state) {
  return make('span', { class: 'badge', 'data-state': state }, words(state));
}

