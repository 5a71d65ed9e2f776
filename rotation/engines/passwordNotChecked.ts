import { NotPermitted } from '../errors.ts'

/**
 * The server lets this user in without checking the password, at least from where Keyturn runs. Such a login proves nothing
 * about the password, so a rotation could not test the new one.
 */
export class PasswordNotChecked extends NotPermitted {}
