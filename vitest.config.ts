import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The test files that take long, the longest first. They begin first, so that none of them runs alone at the end. */
const LONG_TESTS = [
  'world/(postgres|mysql|mariadb)',
  'faults/postgresAlternatingUsers',
  'faults/(mysql|mariadb)AlternatingUsers',
  'faults/postgres',
  'emulator/',
  'faults/(mysql|mariadb)',
  'faults/',
  'stack/',
  'rotation/engines/',
].map(path => new RegExp(`/test/${path}`))

/** Sorts the long test files to the front, even without the cached durations of an earlier run. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = LONG_TESTS.findIndex(path => path.test(moduleId))
      return found === -1 ? LONG_TESTS.length : found
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

const FAST_TESTS = 'test/**/*.fast.test.ts'

/** Two projects: the fast tests, in one process; and the others, with every server started once for all of them. */
export default defineConfig({
  test: {
    // One worker more than there are cores, because about half of a test's time is spent waiting for a server.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: 'fast',
          include: [FAST_TESTS],
          setupFiles: ['test/support/alone.ts'],
          pool: 'threads',
          // Fast tests leave no state behind, so all of them share one set of loaded modules.
          isolate: false,
          testTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: ['test/**/*.test.ts'],
          exclude: [FAST_TESTS],
          globalSetup: ['test/support/servers.ts'],
          // Each file has its own process, so that a test cannot change the environment of another.
          pool: 'forks',
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
