"""ApiVersions (18), versions 0-5: what this broker can do.

It is the first request on a connection and is answered before anything is known of the client: mostly by the reactors,
with what broker/api_versions.py gives them. Here comes what they leave.

- A version that is not served is answered with the body of version 0, error 35 and one row, ApiVersions itself; the
  request's body is not read. Clients then try again with the version found in that row (KIP-511). See
  `unsupported_version`.
- Version 3 brings the client's software name and version. A name or version that would not be fit for a metric's name
  is refused with 42.
- Version 3 lists features. A feature whose lowest level is 0 is left out below version 4, because older clients
  cannot read it (KAFKA-17492).
- Version 5 brings the cluster id and node id that the client means to talk to: both or neither, else 42; others than
  ours: 129, upon which the client starts anew from its bootstrap addresses (KIP-1242).
- Produce is listed from version 0 although 0-2 are refused: older librdkafka otherwise switches compression off
  (KAFKA-18659).

Source: KIP-35, KIP-511, KIP-584, KIP-1242; org.apache.kafka.common.requests.ApiVersionsRequest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pykafka_core.broker.api_versions import api_versions_answer
from pykafka_core.broker.handlers import SERVED, RequestContext, serves
from pykafka_core.protocol.api_keys import ApiKey
from pykafka_core.protocol.errors import ErrorCode
from pykafka_core.protocol.messages.api_versions_request import ApiVersionsRequest
from pykafka_core.protocol.messages.api_versions_response import ApiVersion, ApiVersionsResponse

if TYPE_CHECKING:
    from pykafka_core.broker.cluster import Cluster

SOFTWARE_NAME_PATTERN: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


@serves(ApiKey.API_VERSIONS, 0, 5)
def api_versions(request: ApiVersionsRequest, context: RequestContext, *, cluster: Cluster) -> ApiVersionsResponse:
    if context.api_version >= 3 and not (
        SOFTWARE_NAME_PATTERN.fullmatch(request.client_software_name)
        and SOFTWARE_NAME_PATTERN.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    if (request.cluster_id is None) != (request.node_id == -1):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    if request.cluster_id is not None and (request.cluster_id, request.node_id) != (
        cluster.cluster_id,
        cluster.node_id,
    ):
        return ApiVersionsResponse(error_code=ErrorCode.REBOOTSTRAP_REQUIRED)
    return api_versions_answer(cluster, context.api_version)


def unsupported_version() -> ApiVersionsResponse:
    """The answer to a version that is not served; to be written as version 0."""
    version_min, version_max = SERVED[ApiKey.API_VERSIONS]
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=[ApiVersion(api_key=ApiKey.API_VERSIONS, min_version=version_min, max_version=version_max)],
    )
