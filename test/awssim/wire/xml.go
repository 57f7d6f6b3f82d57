package wire

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

const xmlContentType = "text/xml;charset=UTF-8"

// EC2Namespace is the XML namespace of the one EC2 API version that is spoken.
const EC2Namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

// Set is an EC2 list: an element holding <item> elements. It is written when it is empty too, because clients take an absent element for an
// absent member.
type Set[T any] []T

// MarshalXML implements xml.Marshaler.
func (s Set[T]) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, item := range s {
		if err := e.EncodeElement(item, xml.StartElement{Name: xml.Name{Local: "item"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// Time is a moment as EC2 writes it, in UTC with milliseconds.
type Time struct{ time.Time }

// TimeFormat is EC2's format of timestamps.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.UTC().Format(TimeFormat)), nil }

// Envelope is what every EC2 answer starts with; answers embed it.
type Envelope struct {
	RequestID string `xml:"requestId"`
}

// Seal puts the request's id into the answer.
func (e *Envelope) Seal(requestID string) { e.RequestID = requestID }

// EC2 answers with a document whose root is named after the action.
func EC2(action string, document any) (*Response, error) {
	return XML(http.StatusOK, document, EC2Namespace, action+"Response")
}

// XML answers with a document whose root has the name and the namespace.
func XML(status int, document any, namespace, root string) (*Response, error) {
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := xml.NewEncoder(&body).EncodeElement(document, xml.StartElement{Name: xml.Name{Space: namespace, Local: root}}); err != nil {
		return nil, fmt.Errorf("encoding %T: %w", document, err)
	}
	return &Response{Status: status, ContentType: xmlContentType, Body: body.Bytes()}, nil
}

type ec2Errors struct {
	Errors    []xmlError `xml:"Errors>Error"`
	RequestID string
}

type queryError struct {
	Error     xmlError
	RequestID string `xml:"RequestId"`
}

type xmlError struct {
	Type    string `xml:",omitempty"`
	Code    string
	Message string
}

// EC2Error answers in EC2's error document.
func EC2Error(requestID string, e *apierror.Error) *Response {
	return mustXML(e.Status, ec2Errors{Errors: []xmlError{{Code: e.Code, Message: e.Message}}, RequestID: requestID}, "", "Response")
}

// QueryError answers in the error document of the other Query services, of which STS is one.
func QueryError(namespace, requestID string, e *apierror.Error) *Response {
	blame := "Sender"
	if e.Status >= http.StatusInternalServerError {
		blame = "Receiver"
	}
	return mustXML(e.Status, queryError{
		Error: xmlError{Type: blame, Code: e.Code, Message: e.Message}, RequestID: requestID,
	}, namespace, "ErrorResponse")
}

// mustXML is for the error documents: strings alone, which always encode.
func mustXML(status int, document any, namespace, root string) *Response {
	response, err := XML(status, document, namespace, root)
	if err != nil {
		return &Response{Status: http.StatusInternalServerError, ContentType: "text/plain", Body: []byte(err.Error())}
	}
	return response
}
