// What moves by itself: keys, and a run as it happens. Everything else works without this.
'use strict';
(() => {
  const KEYS_OFF = 'firedrill-keys-off';
  const TICKS = 240, LINES = 300, WIDE = 4, HIGH = 32;
  const SVG = 'http://www.w3.org/2000/svg';
  const at = (id) => document.getElementById(id);

  // Keys.
  const dialog = at('keys');
  if (dialog) {
    const open = at('keys-open'), off = at('keys-off');
    open.hidden = false;
    open.addEventListener('click', () => dialog.showModal());
    off.checked = localStorage.getItem(KEYS_OFF) === 'yes';
    off.addEventListener('change', () => localStorage.setItem(KEYS_OFF, off.checked ? 'yes' : 'no'));
    document.addEventListener('keydown', (event) => {
      const busy = event.target.closest('input, textarea, select') || event.ctrlKey || event.metaKey || event.altKey;
      if (busy || off.checked || dialog.open) return;
      if (event.key === '?') return dialog.showModal();
      if (event.key === 's') {
        const stop = at('stop');
        if (stop) { event.preventDefault(); stop.focus(); }
        return;
      }
      const way = [...document.querySelectorAll('nav a[data-key]')].find((link) => link.dataset.key === event.key);
      if (way) way.click();
    });
  }

  // What stays closed closes with Esc, and gives the focus back.
  for (const act of document.querySelectorAll('details.act')) {
    act.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && act.open) { act.open = false; act.querySelector('summary').focus(); }
    });
  }

  // A game day as it happens: what is shown is fetched again, what is typed stays.
  const day = document.querySelector('.day[data-day]');
  if (day) {
    const by = document.getElementById('by');
    by.value = localStorage.getItem('firedrill-by') || '';
    by.addEventListener('input', () => localStorage.setItem('firedrill-by', by.value));
    let due = false, busy = false;
    const refresh = async () => {
      due = true;
      if (busy) return;
      busy = true;
      while (due) {
        due = false;
        const answer = await fetch(location.href);
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
        if (!fresh.querySelector('.day[data-day]')) { location.reload(); return; }
        const focus = document.activeElement && document.activeElement.value;
        for (const id of ['day-now', 'day-buttons', 'day-status']) {
          const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
          // Not under the hand of somebody who is about to end the day.
          if (!next || old.innerHTML === next.innerHTML || old.querySelector('details[open]')) continue;
          const held = old.contains(document.activeElement);
          old.replaceChildren(...next.childNodes);
          const again = held && [...old.querySelectorAll('button')].find((button) => button.value === focus);
          if (again) again.focus();
        }
      }
      busy = false;
    };
    const source = new EventSource(`/api/v1/gamedays/${day.dataset.day}/events?after=${day.dataset.seen}`);
    source.addEventListener('message', refresh);
    source.addEventListener('end', () => { source.close(); location.reload(); });
  }

  // A run as it happens.
  const live = document.querySelector('.live[data-run]');
  if (!live) return;
  const lines = at('lines'), probes = at('probes'), strips = at('strips'), phase = at('phase');

  const element = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const line = ({ at, tone, text }) => {
    const row = element('li', tone);
    row.append(element('span', 'at', at), element('span', '', text));
    lines.prepend(row);
    while (lines.children.length > LINES) lines.lastElementChild.remove();
  };

  const rect = (className, y, height) => {
    const made = document.createElementNS(SVG, 'rect');
    made.setAttribute('class', className);
    made.setAttribute('y', y);
    made.setAttribute('width', WIDE);
    made.setAttribute('height', height);
    return made;
  };

  const strip = (name) => {
    const known = [...probes.children].find((probe) => probe.dataset.probe === name);
    if (known) return known;
    const made = element('div', 'probe');
    made.dataset.probe = name;
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('class', 'strip');
    svg.setAttribute('viewBox', `0 0 ${TICKS * WIDE} 40`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `Availability of ${name}`);
    made.append(element('h3', '', name), svg, element('p', 'says', ''));
    probes.append(made);
    strips.hidden = false;
    return made;
  };

  const tick = ({ phase: now, probes: all }) => {
    for (const { probe, requests, ok, says } of all) {
      const place = strip(probe), svg = place.querySelector('svg');
      for (const old of [...svg.children]) {
        const x = Number(old.getAttribute('x')) - WIDE;
        if (x < 0) old.remove(); else old.setAttribute('x', x);
      }
      const failed = requests === 0 || ok >= requests ? 0 : Math.max((1 - ok / requests) * HIGH, 2);
      const parts = requests === 0 ? [rect('none', HIGH - 2, 2)] : [rect('ok', failed, HIGH - failed)];
      if (failed > 0) parts.push(rect('fail', 0, failed));
      if (now) parts.push(rect(`ph-${now}`, 35, 4));
      for (const part of parts) { part.setAttribute('x', (TICKS - 1) * WIDE); svg.append(part); }
      place.querySelector('.says').textContent = says;
    }
  };

  const source = new EventSource(`/runs/${live.dataset.run}/live?after=${live.dataset.seen}`);
  let again = false;
  source.addEventListener('message', (event) => {
    for (const told of JSON.parse(event.data)) {
      if (told.kind === 'line') line(told);
      else if (told.kind === 'tick') tick(told);
      else if (told.kind === 'phase') phase.textContent = told.phase;
      else if (told.kind === 'reload') again = true;
    }
    // Not under the hand of somebody who is about to stop it.
    if (again && !document.querySelector('details.stop[open]')) { source.close(); location.reload(); }
  });
  source.addEventListener('end', () => { source.close(); location.reload(); });
})();
