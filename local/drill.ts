import { Drill } from './drill/drill.ts'
import { TwoRegions } from './drill/twoRegions.ts'
import { checkTemporaryFolder } from './prerequisites.ts'
import { say } from './say.ts'

try {
  checkTemporaryFolder()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
say('Keyturn: a Region is lost in the middle of two rotations, and the other Region goes on.')
const starting = TwoRegions.start()
let stopped: Promise<void> | undefined
const stop = () => (stopped ??= starting.then(regions => regions.stop()))

/** Ends before all has been shown; the servers go all the same, and their folders. */
async function endEarly(code: number): Promise<void> {
  await stop().catch(() => {})
  process.exit(code)
}
process.once('SIGINT', () => endEarly(130)).once('SIGTERM', () => endEarly(143))
// Whoever read has gone, as `head` does.
process.stdout.on('error', () => endEarly(0))

let proven = false
try {
  proven = await new Drill(await starting).run()
} catch (error) {
  if (!stopped) throw error
} finally {
  await stop()
}
say(
  proven
    ? '\nAll of it was proven. The runbook of a real loss: docs/disaster-recovery.md'
    : '\nNot all of it was proven.',
)
process.exitCode = proven ? 0 : 1
