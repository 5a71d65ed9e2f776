import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { unpackPackages } from '../../../local/servers/debian.ts'

test('a package that cannot be downloaded is an error, and leaves no incomplete copy', async () => {
  const finish = () => Promise.reject(new Error('it was unpacked'))
  const packages = { suite: 'nowhere', packageName: 'no-such-package' }
  await expect(unpackPackages(packages, finish)).rejects.not.toThrow('it was unpacked')
  const cache = join(import.meta.dirname, '../../../.cache/servers')
  const left = existsSync(cache) ? readdirSync(cache).filter(name => name.startsWith('nowhere')) : []
  expect(left).toEqual([])
})
