import { describePlay } from './last.ts'

await describePlay(
  "executions that begin today, some of whose functions may still be the last release's",
  'today',
)
