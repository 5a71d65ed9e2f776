import type { Entry } from './world.ts'

/** What can be on every engine: the states of the values, and of the admin that they name. */
export function generalEntries(): Entry[] {
  return [
    {
      name: 'nothing',
      make: async () => {},
      undo: async () => {},
      ends: () => /^(rotated|Forced)$/,
    },
  ]
}
