import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { NoObject } from '../../functions/shared/event.ts'
import * as errors from '../../rotation/errors.ts'

const { RotationError, ...classes } = errors
/** The classes as constructors with any arguments. */
type AnyClass = new (...args: string[]) => Error
const all = Object.entries(classes) as [string, AnyClass][]

describe.each(all)('%s', (name, Class) => {
  const error = new Class('field', 'problem')

  test('reports its own name, which is the contract with the state machine', () => {
    expect(error.name).toBe(name)
    expect(Object.hasOwn(error, 'name')).toBe(true)
    expect(`${error}`).toContain(name)
  })

  test('keeps its name if the class is renamed, as a bundler may do', () => {
    const x = class extends Class {}
    expect(new x('field', 'problem').name).toBe(name)
  })

  test('is a RotationError and an Error', () => {
    expect(error).toBeInstanceOf(RotationError)
    expect(error).toBeInstanceOf(Error)
  })
})

test('all names are distinct', () => {
  const names = all.map(([, Class]) => new Class('a', 'b').name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.length).toBeGreaterThan(15)
})

test('the state machines name only errors that exist', () => {
  const folder = join(import.meta.dirname, '../../statemachines')
  const named = readdirSync(folder).flatMap(file => {
    const text = readFileSync(join(folder, file), 'utf8')
    return [...text.matchAll(/"ErrorEquals":\s*\[([^\]]*)\]/g)].flatMap(([, list]) =>
      [...(list ?? '').matchAll(/"([^"]+)"/g)].map(([, name]) => name ?? ''),
    )
  })
  expect(named).toContain('Throttled')
  const ours = named.filter(name => !/^(States|StepFunctions|Lambda|Runtime|Sandbox)\./.test(name))
  // They also name errors of a function's input, and those that JavaScript throws outside promises.
  const known = [...all.map(([name]) => name), new NoObject('input').name, 'Error', 'TypeError', 'RangeError']
  expect([...new Set(ours)].filter(name => !known.includes(name))).toEqual([])
})

test('the messages of InvalidCredential and InvalidOption begin with the field', () => {
  expect(new errors.InvalidCredential('port', 'should be a number')).toMatchObject({
    field: 'port',
    message: 'port: should be a number',
  })
  expect(new errors.InvalidOption('keyturn:grace', 'should be a time')).toMatchObject({
    option: 'keyturn:grace',
    message: 'keyturn:grace: should be a time',
  })
})

test('an error keeps its cause', () => {
  const cause = new Error('below')
  expect(new errors.Unreachable('above', { cause }).cause).toBe(cause)
})

describe('Unexpected', () => {
  const see = (error: unknown) => inspect(error, { depth: null, showHidden: true, getters: true })

  test('keeps the kind and the place, and drops the text', () => {
    const original = new TypeError('the password is Hidden-1\nand Hidden-2')
    const error = new errors.Unexpected(original)
    expect(error.message).toBe('an unexpected TypeError')
    const places = original.stack?.match(/^ {4}at .*$/gm) ?? []
    expect(places.length).toBeGreaterThan(0)
    expect(error.stack).toBe(['Unexpected: an unexpected TypeError', ...places].join('\n'))
    expect(see(error)).not.toContain('Hidden')
  })

  test('drops causes and whatever hangs on the error', () => {
    const original = Object.assign(new AggregateError([new Error('Hidden-1')], 'Hidden-2'), {
      query: 'Hidden-3',
    })
    original.cause = new Error('Hidden-4')
    expect(see(new errors.Unexpected(original))).not.toContain('Hidden')
    expect(new errors.Unexpected(original).message).toBe('an unexpected AggregateError')
  })

  test.each([
    ['Hidden-1', 'string'],
    [undefined, 'undefined'],
    [null, 'object'],
    [{ password: 'Hidden-1' }, 'object'],
    [7, 'number'],
  ])('describes a thrown value that is no error: %j', (thrown, kind) => {
    const error = new errors.Unexpected(thrown)
    expect(error.message).toBe(`an unexpected ${kind}`)
    expect(error.stack).toBe(`Unexpected: an unexpected ${kind}`)
    expect(see(error)).not.toContain('Hidden')
  })

  test('describes an error without a stack', () => {
    const original = new Error('Hidden-1')
    delete (original as { stack?: string }).stack
    expect(new errors.Unexpected(original).stack).toBe('Unexpected: an unexpected Error')
  })
})

test('Unexpected does not keep a part of a message that looks like a place in the code', () => {
  const error = new errors.Unexpected(new Error('x\n    at password=Hidden-1'))
  expect(error.stack).not.toContain('Hidden-1')
  expect(error.stack).toMatch(/\n {4}at /)
})
