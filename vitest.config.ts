import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/servers.ts'],
    // Each file in a process of its own: what a test does to its environment stays there.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
})
