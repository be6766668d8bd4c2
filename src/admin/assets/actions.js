// Part 3 of 4: asks before it acts, and tells what came of it.

const dialog = document.getElementById('dialog');

function notice(text) {
  set(document.getElementById('notice'), text);
}

async function ask(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error((await response.json()).error.message);
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  const form = document.importNode(page.querySelector('form.confirm'), true);
  form.querySelector('h1').replaceWith(make('h2', { id: 'question' }, form.querySelector('h1').textContent));
  form.classList.remove('card');
  dialog.replaceChildren(form);
  dialog.showModal();
  const field = form.querySelector('input:not([type=hidden], [type=radio])');
  (field ?? form.querySelector('.primary'))?.focus();
  field?.select();
}

async function act(form) {
  const body = new URLSearchParams(new FormData(form));
  const button = form.querySelector('.primary');
  button.disabled = true;
  set(button, 'Working…');
  try {
    const { message } = await json(form.action, { method: 'POST', body, headers: { accept: 'application/json' } });
    notice(message);
  } catch (error) {
    notice(`Refused: ${error.message}`);
  }
  // The question may have been closed meanwhile, and another one asked.
  if (form.isConnected) dialog.close();
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.id === 'controls') {
    event.preventDefault();
  } else if (form.classList.contains('actions')) {
    event.preventDefault();
    const query = new URLSearchParams(new FormData(form, event.submitter));
    ask(`/confirm?${query}`).catch((error) => notice(`Cannot ask: ${error.message}`));
  } else if (form.classList.contains('confirm')) {
    event.preventDefault();
    act(form);
  }
});

document.addEventListener('click', (event) => {
  const target = event.target;
  if (target.matches('[data-cancel]')) {
    event.preventDefault();
    dialog.close();
  } else if (target.matches('#pager a')) {
    event.preventDefault();
    memory.page += target.rel === 'next' ? 1 : -1;
    render();
  } else if (target.id === 'freeze') {
    memory.frozen = !memory.frozen;
    attribute(target, 'aria-pressed', memory.frozen);
    set(target, memory.frozen ? 'Resume updates' : 'Pause updates');
    watch();
    if (!memory.frozen && memory.state) render();
  }
});

document.getElementById('controls').addEventListener('change', () => {
  memory.page = 1;
  if (memory.state) render();
});

