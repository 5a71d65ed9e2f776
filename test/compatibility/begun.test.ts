import { describeScenarios } from './lastRelease.ts'

await describeScenarios(
  "executions that begin today, some of whose functions may still be the last release's",
  'today',
)
