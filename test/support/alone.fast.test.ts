import { execFile, execFileSync, execSync, fork, spawn, spawnSync } from 'node:child_process'
import { createServer, get } from 'node:http'
import { connect } from 'node:net'
import { expect, inject, test } from 'vitest'
import { startPostgres } from '../../local/servers/postgres.ts'

test.each([
  ['start a process', () => spawn('true')],
  ['start a process', () => execFile('true')],
  ['start a process', () => fork('true')],
  ['start a process', () => spawnSync('true')],
  ['start a process', () => execSync('true')],
  ['start a process', () => execFileSync('true')],
  ['listen on a port', () => createServer().listen(0)],
  ['connect to a server', () => connect(1)],
  ['connect to a server', () => get('http://localhost:1')],
])('a fast test may not %s', (what, act) => {
  expect(act).toThrow(`a fast test may not ${what}`)
})

test('a fast test may not start a database server of the project', async () => {
  await expect(startPostgres(18)).rejects.toThrow('a fast test may not')
})

test('inject finds no server in a fast test', () => {
  expect(inject('postgres')).toBeUndefined()
})
