import { defineConfig } from 'vitest/config';

/** The slow suites: crash harness, browser, clean install, PostgreSQL take-over, and whatever starts many processes. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/system/**/*.test.ts', 'test/**/*.slow.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
