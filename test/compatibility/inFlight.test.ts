import { describePlay } from './last.ts'

await describePlay("today's functions, in executions that the last release began", 'last')
