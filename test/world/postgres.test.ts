import { postgresWorld } from './postgresWorld.ts'

await postgresWorld(18, { beside: 14, half: 0 })
