import { postgresWorld } from './postgresWorld.ts'

await postgresWorld(14, { beside: 18, half: 1 })
