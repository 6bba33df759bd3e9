import { DateTime } from 'luxon';

/** Numbers with units, as short as a card wants them. */

const GIB = 1024 ** 3;

/** Bytes as `412 GiB`, `1.5 GiB` or `300 MiB`. */
export function size(bytes: number): string {
  if (bytes < GIB) return `${Math.round(bytes / 1024 ** 2)} MiB`;
  if (bytes >= 1024 * GIB) return `${tenth(bytes / (1024 * GIB))} TiB`;
  return `${bytes < 10 * GIB ? tenth(bytes / GIB) : Math.round(bytes / GIB)} GiB`;
}

function tenth(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Used of total bytes: `27/32 GiB`. */
export function usedOf(used: number | undefined, total: number | undefined): string {
  if (used === undefined || total === undefined) return 'unknown';
  if (total < GIB) return `${Math.round(used / 1024 ** 2)}/${Math.round(total / 1024 ** 2)} MiB`;
  return `${tenth(used / GIB)}/${tenth(total / GIB)} GiB`;
}

/** MiB as a person would say it: `2 GiB`, `512 MiB`. */
export function mebibytes(mib: number): string {
  return mib >= 1024 && mib % 512 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** Seconds as `45 s`, `12 min`, `2 h 5 min` or `3 d 4 h`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return joined(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min');
  return joined(Math.floor(whole / 86_400), 'd', Math.floor((whole % 86_400) / 3600), 'h');
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** A fraction as `27 %`. */
export function percent(fraction: number | undefined): string {
  return fraction === undefined ? 'unknown' : `${Math.round(fraction * 100)} %`;
}

/** Epoch milliseconds as `14:02:11`. */
export function timeOfDay(at: number, zone: string): string {
  return DateTime.fromMillis(at, { zone }).toFormat('HH:mm:ss');
}

/** Epoch milliseconds as `2026-11-12 14:02:11`. */
export function dateTime(at: number, zone: string): string {
  return DateTime.fromMillis(at, { zone }).toFormat('yyyy-MM-dd HH:mm:ss');
}

/** `1 node`, `2 nodes`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Bytes of a file as `412 B`, `1.5 KiB`, `300 MiB`. */
export function fileSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 10 * 1024) return `${tenth(bytes / 1024)} KiB`;
  return bytes < 1024 ** 2 ? `${Math.round(bytes / 1024)} KiB` : size(bytes);
}
