import { describeScenarios } from './lastRelease.ts'

await describeScenarios("today's functions, in executions that the last release began", 'last')
