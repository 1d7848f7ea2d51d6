import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**"],
    setupFiles: ["test/support/seed.ts"],
    globalSetup: ["test/build-first.ts"],
    pool: "forks",
    // Most tests wait for a command of one or two threads, so two at a time keep two cores busy.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
