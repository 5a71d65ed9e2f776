import { Drill } from './drill/drill.ts'
import { TwoRegions } from './drill/twoRegions.ts'
import { runShow } from './show.ts'

await runShow(
  'Keyturn: a Region is lost in the middle of two rotations, and the other Region goes on.',
  () => TwoRegions.start(),
  regions => new Drill(regions).run(),
  'The runbook of a real loss: docs/disaster-recovery.md',
)
