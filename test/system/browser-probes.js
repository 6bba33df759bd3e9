/** Runs inside the page before its own scripts; the tests ask `probes` what a person would see. */
globalThis.probes = {
  faintTexts,
  focusedId: () => document.activeElement?.id ?? '',
  focusedText: () => document.activeElement?.textContent?.trim() ?? '',
  /** Pixels by which the page can be scrolled to the side. */
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  stickingOut: () =>
    [...document.querySelectorAll('.card, .composer, .who, .message')]
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5)
      .map((one) => one.className),
  /** What happens when a script tries to turn text into markup or code. */
  tryMarkup: async () => {
    const tell = (act) => {
      try {
        act();
        return 'done';
      } catch (error) {
        return error.name;
      }
    };
    const div = document.createElement('div');
    const inner = tell(() => div.insertAdjacentHTML('beforeend', '<b>x</b>'));
    const script = document.createElement('script');
    const source = tell(() => {
      script.src = 'https://evil.example/x.js';
    });
    const image = new Image();
    const blocked = await new Promise((resolve) => {
      image.onerror = () => resolve('blocked');
      image.onload = () => resolve('loaded');
      image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=';
    });
    return [inner, source, blocked];
  },
  nameless: () =>
    [...document.querySelectorAll('button, input, select')]
      .filter((one) => !one.textContent?.trim() && !one.getAttribute('aria-label') && !one.labels?.length)
      .map((one) => one.outerHTML),
  /** Tags inside the newest card. */
  tagsOfLastCard: () => {
    const card = [...document.querySelectorAll('.card')].at(-1);
    return [...new Set([...card.querySelectorAll('*')].map((one) => one.tagName))];
  },
};

addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
);

/** Runs in the page: texts whose contrast with what lies behind them is below 4.5 (WCAG AA). */
function faintTexts() {
  const paint = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  if (!paint) return ['no canvas'];
  const read = (colour) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0, a = 0] = paint.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [
    top[0] * top[3] + below[0] * (1 - top[3]),
    top[1] * top[3] + below[1] * (1 - top[3]),
    top[2] * top[3] + below[2] * (1 - top[3]),
    1,
  ];
  const ground = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = read(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const faint = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent?.trim() || !element?.checkVisibility() || element.closest('.unseen, script')) continue;
    const behind = ground(element);
    const [a, b] = [light(over(read(getComputedStyle(element).color), behind)), light(behind)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5)
      faint.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)} ${node.textContent.slice(0, 30)}`);
  }
  return [...faint];
}
