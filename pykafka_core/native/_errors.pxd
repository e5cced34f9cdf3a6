from pykafka_core.native.kc cimport kc_status

# Raises what the status stands for; returns 0 on KC_OK.  what: the thing or act that failed, for the message; any object.
cdef int check(kc_status status, object what) except -1
