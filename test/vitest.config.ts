import { defineConfig } from 'vitest/config';

/** The everyday suite: whole bot, real wires on loopback, under three minutes on two cores. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    // `*.slow.test.ts` start a process for each question; they run with the system tests.
    exclude: ['test/system/**', 'test/**/*.slow.test.ts'],
    // Vitest leaves one core free by default; of two that is half, and most tests wait for the network.
    maxWorkers: 2,
    // Real time: for machines that do other things as well.
    testTimeout: 40_000,
    hookTimeout: 40_000,
  },
});
