import { access, constants, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { usageError } from './exit.ts'
import { sanitize } from './output.ts'

/**
 * Reads a UTF-8 file.
 * @param option the option that names the file, for error messages
 * @throws CommandError if the file cannot be read, or has more than `maxBytes` bytes
 */
export async function readTextFile(path: string, option: string, maxBytes: number): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size <= maxBytes) return await readFile(path, 'utf8')
  } catch (error) {
    throw fileError(path, option, `it cannot be read: ${fileErrorText(error, false)}`)
  }
  throw fileError(path, option, `it has more than ${maxBytes / 1024 / 1024} MiB`)
}

/**
 * Checks, before a command works for minutes, that it can write a file at its end. Nothing is written.
 * @throws CommandError if not
 */
export async function requireWritable(path: string, option: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) throw fileError(path, option, 'it is a folder')
  // writePrivateFile renames a new file to this path, which would replace a device or a pipe.
  if (found && !found.isFile()) throw fileError(path, option, 'it is not a regular file')
  try {
    await access(dirname(resolve(path)), constants.W_OK)
  } catch (error) {
    throw fileError(path, option, `it cannot be written: ${fileErrorText(error, true)}`)
  }
}

/**
 * Writes a file that only its owner may read, because a report of an audit lists weaknesses. A file of this name is replaced in
 * one step, so that a reader sees either the old text or the new.
 * @throws CommandError if it cannot be written
 */
export async function writePrivateFile(path: string, option: string, text: string): Promise<void> {
  const partialFile = `${path}.${process.pid}.part`
  try {
    await writeFile(partialFile, text, { mode: 0o600, flag: 'wx' })
    await rename(partialFile, path)
  } catch (error) {
    await rm(partialFile, { force: true })
    throw fileError(path, option, `it cannot be written: ${fileErrorText(error, true)}`)
  }
}

/** The error codes of the operating system about a file, in words. */
const ERROR_CODE_TEXTS: Record<string, string> = {
  EACCES: 'you may not do that there',
  EPERM: 'you may not do that there',
  EEXIST: 'something of that name exists already',
  EISDIR: 'it is a folder',
  ENOTDIR: 'what should be its folder is a file',
  ENOSPC: 'the disk is full',
  EDQUOT: 'your disk quota is used up',
  EROFS: 'that disk is read-only',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its symbolic links form a loop',
}

/**
 * Why a file cannot be read or written, in words.
 * @param isNew whether the file was to be created: then ENOENT means that its folder is missing
 */
export function fileErrorText(error: unknown, isNew: boolean): string {
  const { code = 'an error without a name' } = error as NodeJS.ErrnoException
  const missing = isNew ? 'its folder does not exist' : 'there is no such file'
  return code === 'ENOENT' ? missing : (ERROR_CODE_TEXTS[code] ?? code)
}

const fileError = (path: string, option: string, why: string) =>
  usageError(`${option} ${sanitize(path)}: ${why}`, 'Name another file.')
